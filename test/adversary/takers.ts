/** Peers that ask for more than their due. */
import type { Attack } from './attack.ts'

export const TAKERS: readonly Attack[] = [
  {
    ...{ name: 'the same bytes again and again', limit: 'MAX_PERMITTED', victim: 'seeder' },
    ...{ ends: undefined, hears: 'reject' },
    run: (stream, { cid }) => {
      let id = 1
      stream.hello(cid, { kind: 'none' })
      stream.say({ type: 'interested' })
      stream.onMessage = message => {
        if (message.type !== 'offer') return
        // while choked each offered byte may be asked for once, and ranges in flight may not overlap
        for (let again = 0; again < 8; again++) {
          stream.say({ type: 'request', id, offset: (message.pieces[0] ?? 0) * 1024 * 1024, length: 1024 })
          id += 1
        }
      }
    }
  },
  {
    ...{ name: 'an id that is in flight', limit: 'unique ids', victim: 'seeder', ends: 'protocol' },
    run: (stream, { cid, pieceBytes }) => {
      stream.hello(cid, { kind: 'none' })
      stream.say({ type: 'interested' })
      const ask = (piece: number) => {
        stream.say({ type: 'request', id: 5, offset: piece * pieceBytes, length: pieceBytes })
        stream.say({ type: 'request', id: 5, offset: piece * pieceBytes, length: pieceBytes })
      }
      stream.onMessage = message => {
        if (message.type === 'offer') ask(message.pieces[0] ?? 0)
      }
    }
  }
]
