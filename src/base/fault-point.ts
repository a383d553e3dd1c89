/**
 * Places at which a test ends the process as `kill -9` would. Off in production: without the variables below, and
 * `NODE_ENV=test`, nothing is wrapped and nothing is counted.
 *
 * - `SHOAL_FAULT_POINT=NAME@N`: the process kills itself when it comes to the point NAME for the Nth time, from 1 on
 * - `SHOAL_FAULT_LOG=FILE`: the name of each point that is passed is appended, a line each
 *
 * Each operation has two points: `NAME` right before it, and `NAME:done` right after it.
 */
import { appendFileSync } from 'node:fs'

type Reach = (name: string) => void

const reach = armed(process.env)

/** The target itself, unless points are armed; then each of `methods`, which return promises, has its two points. */
export function pointed<T extends object>(target: T, prefix: string, methods: ReadonlyArray<keyof T & string>): T {
  return reach === undefined ? target : withPoints(target, { prefix, methods, reach })
}

/** @param env of the process. @returns what is done at each point; undefined where points are off */
export function armed(env: NodeJS.ProcessEnv): Reach | undefined {
  const point = env['SHOAL_FAULT_POINT']
  const log = env['SHOAL_FAULT_LOG']
  if (env['NODE_ENV'] !== 'test' || (point === undefined && log === undefined)) return undefined
  const [name, nth = '1'] = (point ?? '').split('@')
  let left = Number(nth)
  return reached => {
    if (log !== undefined) appendFileSync(log, `${reached}\n`)
    if (reached === name && --left === 0) process.kill(process.pid, 'SIGKILL')
  }
}

export function withPoints<T extends object>(
  target: T,
  { prefix, methods, reach }: { prefix: string; methods: ReadonlyArray<keyof T & string>; reach: Reach }
): T {
  return new Proxy(target, {
    get(object, key) {
      const value: unknown = Reflect.get(object, key, object)
      if (typeof value !== 'function') return value
      if (!methods.includes(key as keyof T & string)) return value.bind(object)
      return async (...args: unknown[]) => {
        reach(`${prefix}.${String(key)}`)
        const result: unknown = await value.apply(object, args)
        reach(`${prefix}.${String(key)}:done`)
        return result
      }
    }
  })
}
