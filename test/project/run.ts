/** Runs a command to its end, for tests. */
import { spawn } from 'node:child_process'

export interface Ended {
  code: number | null
  stdout: string
  /** Standard output and standard error in the order they came, for messages. */
  all: string
}

export interface RunOptions {
  cwd: string
  env?: NodeJS.ProcessEnv
  timeoutMs: number
}

/** Never rejects for a command that fails: look at `code`. */
export function run(command: string, args: readonly string[], { cwd, env, timeoutMs }: RunOptions): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    const ended: Ended = { code: null, stdout: '', all: '' }
    const timer = setTimeout(() => {
      ended.all += `\n(stopped after ${timeoutMs / 1000} s)`
      child.kill('SIGKILL')
    }, timeoutMs)
    child.stdout.setEncoding('utf8').on('data', text => {
      ended.stdout += text
      ended.all += text
    })
    child.stderr.setEncoding('utf8').on('data', text => {
      ended.all += text
    })
    child.once('error', reject)
    child.once('close', code => {
      clearTimeout(timer)
      resolve({ ...ended, code })
    })
  })
}

/** As `run`, but a command that fails throws with all it said. */
export async function succeed(command: string, args: readonly string[], options: RunOptions): Promise<string> {
  const { code, stdout, all } = await run(command, args, options)
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with code ${code}:\n${all}`)
  return stdout
}
