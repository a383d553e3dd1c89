/**
 * The one error class of shoal. `code` is stable and scripts may depend on it; `fault` says whose fault it is;
 * `message` says what went wrong and why, `hint` what to do next. Remote data never raises the fault `bug`.
 */

/** Whose fault: the caller's input, the local machine, a peer, the network, the content itself, or our own bug. */
export type Fault = 'input' | 'local' | 'io' | 'peer' | 'network' | 'content' | 'aborted' | 'bug'

const FAULT_OF = {
  // the caller's input: exit code 2
  ERR_USAGE: 'input',
  ERR_BAD_CID: 'input',
  ERR_UNSUPPORTED_CID: 'input',
  ERR_BAD_LINK: 'input',
  ERR_BAD_MULTIADDR: 'input',
  ERR_BAD_NUMBER: 'input',
  // the local machine: exit code 1
  ERR_PATH_NOT_FOUND: 'local',
  ERR_NOT_FILE_OR_FOLDER: 'local',
  ERR_EXISTS: 'local',
  ERR_LOCKED: 'local',
  ERR_STORE_VERSION: 'local',
  ERR_STORE_DAMAGED: 'local',
  ERR_STORE_UNREADABLE: 'local',
  ERR_PORT_IN_USE: 'local',
  ERR_UNKNOWN_ROOT: 'local',
  ERR_FILE_CHANGED: 'local',
  ERR_SYMLINK_LOOP: 'local',
  ERR_NOT_RUNNING: 'local',
  ERR_RPC: 'local',
  // nobody has it, or nobody answers: exit code 3
  ERR_NO_PEERS: 'network',
  ERR_NO_PROVIDERS: 'network',
  ERR_STALLED: 'network',
  ERR_UNREACHABLE: 'network',
  // content that does not match: exit code 4
  ERR_BAD_DATA: 'content',
  ERR_MALFORMED_ROOT: 'content',
  // local I/O: exit code 5
  ERR_NO_SPACE: 'io',
  ERR_NO_PERMISSION: 'io',
  ERR_READ_ONLY: 'io',
  ERR_IO: 'local',
  // a peer's misbehaviour: ends its session, never reaches a user as the end of a transfer
  ERR_PROTOCOL: 'peer',
  ERR_LIMIT: 'peer',
  // others
  ERR_ABORTED: 'aborted',
  ERR_BUG: 'bug'
} as const satisfies Record<string, Fault>

export type ErrorCode = keyof typeof FAULT_OF

export interface ErrorInit {
  /** What to do next, one sentence. */
  hint?: string
  cause?: unknown
  /** Typed facts for programs, JSON-safe. */
  details?: Record<string, unknown>
}

export class ShoalError extends Error {
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly details: Record<string, unknown>

  constructor(code: ErrorCode, message: string, init: ErrorInit = {}) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause })
    this.name = 'ShoalError'
    this.code = code
    this.hint = init.hint
    this.details = init.details ?? {}
  }

  get fault(): Fault {
    return FAULT_OF[this.code]
  }
}

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(FAULT_OF, code)
}

/** The `code` of a Node system error (`ENOENT`, …), or undefined. */
export function systemCode(err: unknown): string | undefined {
  const code = err instanceof Error && 'code' in err ? err.code : undefined
  return typeof code === 'string' ? code : undefined
}

/**
 * Turns a Node file-system error into a ShoalError that names `path`; a ShoalError or an unknown error that is no
 * system error passes unchanged.
 */
export function fromSystemError(err: unknown, path: string): Error {
  if (err instanceof ShoalError) return err
  const system = systemCode(err)
  const init = { cause: err, details: { path, system } }
  switch (system) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new ShoalError('ERR_PATH_NOT_FOUND', `no such file or folder: ${path}`, {
        ...init,
        hint: 'check the path'
      })
    case 'EACCES':
    case 'EPERM':
      return new ShoalError('ERR_NO_PERMISSION', `no permission for ${path}`, {
        ...init,
        hint: 'check its owner and mode'
      })
    case 'EROFS':
      return new ShoalError('ERR_READ_ONLY', `${path} is on a read-only file system`, {
        ...init,
        hint: 'choose a place that can be written'
      })
    case 'ENOSPC':
    case 'EDQUOT':
      return new ShoalError('ERR_NO_SPACE', `no space left for ${path}`, {
        ...init,
        hint: 'free some space and run the same command again'
      })
    case 'ENAMETOOLONG':
      return new ShoalError('ERR_IO', `${path}: the name or the path is too long for this file system`, {
        ...init,
        hint: 'choose a place with a shorter path, or on another file system'
      })
    case 'ELOOP':
      return new ShoalError('ERR_SYMLINK_LOOP', `${path} is a symbolic link that leads to itself`, init)
    case undefined:
      return err instanceof Error ? err : new ShoalError('ERR_BUG', String(err), init)
    default:
      return new ShoalError('ERR_IO', `${path}: ${err instanceof Error ? err.message : system}`, init)
  }
}

/** Throws ERR_ABORTED when the signal has fired; an abort reason that is a ShoalError is thrown as it is. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortError(signal)
}

export function abortError(signal?: AbortSignal): ShoalError {
  const reason: unknown = signal?.reason
  return reason instanceof ShoalError ? reason : new ShoalError('ERR_ABORTED', 'interrupted', { cause: reason })
}
