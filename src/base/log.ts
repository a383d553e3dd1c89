/** Scoped logging for adapters. The pure core never logs; libraries never print unless a sink is given. */
export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug', 'trace'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export interface Logger {
  error(message: string, ...args: unknown[]): void
  warn(message: string, ...args: unknown[]): void
  info(message: string, ...args: unknown[]): void
  debug(message: string, ...args: unknown[]): void
  scope(name: string): Logger
}

const noop = () => {}
export const silentLogger: Logger = { error: noop, warn: noop, info: noop, debug: noop, scope: () => silentLogger }
