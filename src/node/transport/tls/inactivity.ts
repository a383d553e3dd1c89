/**
 * Finds that a socket has carried nothing for long. Node's own timer is set anew at every read and every write, on the
 * socket and on the one below it: 2.4 % of what a node of a busy swarm does. Here the count of bytes is looked at now
 * and then.
 */
import type { Socket } from 'node:net'

/** Looks in the time of the limit: it is found so much late at the most. */
const LOOKS = 4

/** @param below has Node's timer, which is taken from it; it is told as that would: by `timeout` */
export function lookForInactivity(socket: Socket, below: Socket, limitMs: number): void {
  below.setTimeout(0)
  let seen = carried(socket)
  let looks = 0
  const timer = setInterval(() => {
    const now = carried(socket)
    looks = now === seen ? looks + 1 : 0
    seen = now
    if (looks >= LOOKS) below.emit('timeout')
  }, limitMs / LOOKS).unref()
  const stop = () => clearInterval(timer)
  socket.once('close', stop)
  below.once('close', stop)
}

const carried = ({ bytesRead, bytesWritten }: Socket): number => bytesRead + bytesWritten
