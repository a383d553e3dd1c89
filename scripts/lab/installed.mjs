/**
 * Is node_modules what package-lock.json says? Exit 0: yes; 1: no, with the reason on stdout.
 *
 * npm writes node_modules/.package-lock.json at the very end of an install, so that file is the stamp of a finished
 * one. Contents are compared, not times: a fresh checkout gives files the time it was made.
 */
import { readFileSync } from 'node:fs'

/** @typedef {{ version?: string, integrity?: string, optional?: boolean }} Locked */

/**
 * @param {string} path
 * @returns {Record<string, Locked>}
 */
function packagesOf(path) {
  return JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')).packages
}

function reason() {
  const wanted = packagesOf('package-lock.json')
  let installed
  try {
    installed = packagesOf('node_modules/.package-lock.json')
  } catch {
    return 'nothing is installed yet'
  }
  for (const [path, { version, integrity, optional }] of Object.entries(wanted)) {
    if (path === '') continue
    const found = installed[path]
    // What is optional may be made for another platform.
    if (found === undefined && optional === true) continue
    if (found?.version !== version || found?.integrity !== integrity) return `${path} is not the one of the lockfile`
  }
  const extra = Object.keys(installed).find(path => wanted[path] === undefined)
  return extra === undefined ? undefined : `${extra} is not in the lockfile`
}

const why = reason()
if (why !== undefined) {
  console.log(why)
  process.exitCode = 1
}
