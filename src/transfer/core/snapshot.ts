/** A swarm at one moment, for progress and status. */
import type { Picker } from './picker.ts'
import type { Session } from './session.ts'
import type { SessionId } from './swarm-io.ts'

export interface SessionSnapshot {
  readonly session: SessionId
  readonly peerId: string
  readonly outbound: boolean
  readonly greeted: boolean
  readonly isSeeder: boolean
  readonly amChoking: boolean
  readonly peerChoking: boolean
  readonly amInterested: boolean
  readonly peerInterested: boolean
  readonly snubbed: boolean
  /** Bytes a second, payload alone. */
  readonly downRate: number
  readonly upRate: number
  readonly downBytes: number
  readonly upBytes: number
  readonly inFlightBytes: number
  readonly windowBytes: number
}

export interface SwarmSnapshot {
  readonly sessions: readonly SessionSnapshot[]
  readonly seeders: number
  readonly peersKnown: number
  readonly dialsPending: number
  /** DAG nodes known, and whether that is the whole manifest. */
  readonly nodesKnown: number
  readonly manifestKnown: boolean
  /** Pieces held, and wanted but not held; 0 while the manifest is not known. */
  readonly have: number
  readonly missing: number
  readonly paused: boolean
}

export function snapshotOf(parts: {
  sessions: Iterable<Session>
  picker: Picker | undefined
  nodesKnown: number
  peersKnown: number
  dialsPending: number
  paused: boolean
  now: number
}): SwarmSnapshot {
  const sessions = [...parts.sessions].map(session => ({
    session: session.id,
    peerId: session.peerId,
    outbound: session.outbound,
    greeted: session.greeted,
    isSeeder: session.isSeeder,
    amChoking: session.amChoking,
    peerChoking: session.peerChoking,
    amInterested: session.amInterested,
    peerInterested: session.peerInterested,
    snubbed: session.snubbed,
    downRate: session.down.rate(parts.now),
    upRate: session.up.rate(parts.now),
    downBytes: session.downBytes,
    upBytes: session.upBytes,
    inFlightBytes: session.inFlightBytes,
    windowBytes: session.window.bytes
  }))
  return {
    sessions,
    seeders: sessions.filter(session => session.isSeeder).length,
    peersKnown: parts.peersKnown,
    dialsPending: parts.dialsPending,
    nodesKnown: parts.nodesKnown,
    manifestKnown: parts.picker !== undefined,
    have: parts.picker?.have.count ?? 0,
    missing: parts.picker?.missing.count ?? 0,
    paused: parts.paused
  }
}
