/**
 * Files by descriptor through Node's callback API, which costs a third of what FileHandle promises do: it shows when
 * there are ten thousand small files.
 */
import { type BigIntStats, close, constants, fstat, open, read } from 'node:fs'

/**
 * Opens for reading a file that was seen to be a regular one. Were it replaced meanwhile, a symbolic link is not
 * followed (ELOOP) and a FIFO does not block; the caller looks again with `statDisk`.
 */
export function openDisk(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW, (err, fd) => {
      if (err === null) resolve(fd)
      else reject(err)
    })
  })
}

export function statDisk(fd: number): Promise<BigIntStats> {
  return new Promise((resolve, reject) => {
    fstat(fd, { bigint: true }, (err, stats) => {
      if (err === null) resolve(stats)
      else reject(err)
    })
  })
}

export function closeDisk(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    close(fd, err => {
      if (err === null || err === undefined) resolve()
      else reject(err)
    })
  })
}

/**
 * Reads `length` bytes at `position` to the front of `buffer`. Resolves with the bytes read, fewer only where the file
 * ends.
 */
export function readDisk(fd: number, buffer: Buffer, length: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let had = 0
    const more = () => {
      read(fd, buffer, had, length - had, position + had, (err, got) => {
        if (err !== null) reject(err)
        else {
          had += got
          if (got === 0 || had === length) resolve(had)
          else more()
        }
      })
    }
    if (length === 0) resolve(0)
    else more()
  })
}
