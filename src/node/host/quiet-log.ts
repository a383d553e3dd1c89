/**
 * What libp2p says to `DEBUG` when nobody listens. Its own logger makes two objects for each stream and connection, each
 * of which looks up its colour and whether it is wanted: some 3 % of what it takes to meet a peer.
 */
import type { ComponentLogger, Logger } from '@libp2p/interface'

const nothing = () => {}

const quiet: Logger = Object.assign(() => {}, {
  enabled: false,
  error: nothing,
  trace: nothing,
  newScope: (): Logger => quiet
})

const quietLog: ComponentLogger = { forComponent: () => quiet }

/** Undefined, libp2p's own, where the environment asks to hear it. */
export function libraryLog(debug = process.env['DEBUG']): ComponentLogger | undefined {
  return debug ? undefined : quietLog
}
