/** `--log LEVEL`: lines on stderr, with the time and the part of the program that speaks. */
import { format } from 'node:util'
import { LOG_LEVELS, type Logger, type LogLevel } from '../base/log.ts'
import { printable } from './render/text.ts'

type Level = Exclude<LogLevel, 'silent' | 'trace'>

export function cliLogger(level: LogLevel, print: (line: string) => void, scope = 'shoal'): Logger {
  const enabled = LOG_LEVELS.indexOf(level)
  const at = (own: Level) => {
    if (LOG_LEVELS.indexOf(own) > enabled) return () => {}
    return (message: string, ...args: unknown[]) => {
      const text = format(message, ...args)
        .split('\n')
        .map(printable)
        .join('\n    ')
      print(`${new Date().toISOString()} ${own} ${scope}: ${text}`)
    }
  }
  return {
    error: at('error'),
    warn: at('warn'),
    info: at('info'),
    debug: at('debug'),
    scope: name => cliLogger(level, print, `${scope}:${name}`)
  }
}
