/** The licences of what was put into a bundle: their terms ask that the texts come along. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

const RULE = '-'.repeat(80)

/**
 * One text with name, version and licence of each package that a module came from, by name.
 *
 * @param {readonly string[]} modules absolute paths; those outside of node_modules are our own
 */
export async function licencesOf(modules) {
  const folders = new Set(modules.map(packageFolder).filter(folder => folder !== undefined))
  const parts = await Promise.all([...folders].map(licenceOf))
  return parts.sort().join(`\n${RULE}\n`)
}

/** @param {string} module */
function packageFolder(module) {
  return /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(module)?.[1]
}

/** @param {string} folder */
async function licenceOf(folder) {
  const { name, version, license, author } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
  const names = (await readdir(folder)).filter(file => /^licen[cs]e/i.test(file)).sort()
  if (typeof license !== 'string') throw new Error(`${folder} names no licence: look, then say what to do with it`)
  const texts = await Promise.all(names.map(file => readFile(join(folder, file), 'utf8')))
  const by = typeof author === 'object' ? author?.name : author
  return [
    `${name} ${version}: ${license}${by === undefined ? '' : `, by ${by}`}`,
    ...texts.map(text => text.trim()),
    ''
  ].join('\n\n')
}
