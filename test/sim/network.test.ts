import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Downlink, FairUplink } from '../../sim/access-link.ts'
import { EventQueue } from '../../sim/event-queue.ts'
import { KernelUplink } from '../../sim/kernel-uplink.ts'

describe('the event queue', () => {
  it('runs events by time, and by order of posting where times are equal', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 })), delays => {
        const events = new EventQueue()
        const seen: Array<{ at: number; order: number }> = []
        for (const [order, ms] of delays.entries()) events.after(ms, () => seen.push({ at: events.now, order }))
        while (events.step(Number.POSITIVE_INFINITY)) {}
        const sorted = delays
          .map((ms, order) => ({ at: 1000 + ms, order }))
          .sort((a, b) => a.at - b.at || a.order - b.order)
        expect(seen).toEqual(sorted)
      })
    )
  })

  it('goes no further than it is told to', () => {
    const events = new EventQueue()
    let ran = false
    events.after(10, () => {
      ran = true
    })
    expect(events.step(1005)).toBe(false)
    expect({ ran, now: events.now }).toEqual({ ran: false, now: 1005 })
    expect(events.step(1010)).toBe(true)
    expect({ ran, isEmpty: events.isEmpty }).toEqual({ ran: true, isEmpty: true })
  })
})

describe('an uplink', () => {
  it('sends frames in order at its rate, control messages ahead of those that wait', () => {
    const events = new EventQueue()
    const uplink = new FairUplink(events, 10)
    const sent: Array<[string, number]> = []
    const frame = (name: string, isWanted = true) =>
      uplink.enqueue({}, { bytes: 1000, isWanted: () => isWanted, onSent: () => sent.push([name, events.now - 1000]) })
    frame('a')
    frame('dropped', false)
    frame('b')
    expect(uplink.sendControl(50) - 1000).toBe(105)
    while (events.step(2000)) {}
    expect(sent).toEqual([
      ['a', 100],
      ['b', 205]
    ])
    expect(uplink.sentBytes).toBe(2000)
  })
})

describe('an uplink with queues', () => {
  it('sends in the order of its connections, in turn once the router takes no more, and nothing overtakes', () => {
    const events = new EventQueue()
    const uplink = new KernelUplink(events, 10, 2000)
    const sent: Array<[string, number]> = []
    const note = (name: string) => sent.push([name, events.now - 1000])
    const [one, two] = [{}, {}]
    const frame = (connection: object, name: string, isWanted = true) =>
      uplink.enqueue(connection, { bytes: 1000, isWanted: () => isWanted, onSent: () => note(name) })
    // two are in the router, the others wait in the kernel
    for (const name of ['a', 'b', 'c']) frame(one, name)
    frame(one, 'dropped', false)
    uplink.control(one, 100, at => note(`control, ${at - 1000}`))
    frame(two, 'x')
    frame(two, 'y')
    while (events.step(3000)) {}
    expect(sent).toEqual([
      ['a', 100],
      ['b', 200],
      ['c', 300],
      ['x', 400],
      ['control, 410', 410],
      ['y', 510]
    ])
    expect([uplink.sentBytes, uplink.controlBytes]).toEqual([5000, 100])
  })
})

describe('a downlink', () => {
  it('passes no more than its rate, in the order of arrival, and holds up nothing while it is idle', () => {
    const events = new EventQueue()
    const downlink = new Downlink(events, 10)
    const came: Array<[string, number]> = []
    const receive = (name: string, bytes: number, beganAt: number) =>
      downlink.receive(bytes, beganAt, () => came.push([name, events.now - 1000]))
    // came slowly, over 200 ms: is through with its last byte
    events.at(1200, () => receive('slow', 1000, 1000))
    // two that came at once share the link
    events.at(1300, () => receive('a', 1000, 1290))
    events.at(1300, () => receive('b', 1000, 1290))
    while (events.step(5000)) {}
    expect(came).toEqual([
      ['slow', 200],
      ['a', 390],
      ['b', 490]
    ])
  })
})
