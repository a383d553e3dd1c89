/**
 * The direction of imports, as DESIGN.md and docs/architecture.md draw it, applied to the text of one file.
 *
 *     cli → rpc → node → transfer/io → transfer/core → transfer/protocol → base
 *                   node → dht, content, base
 *
 * Works on text and a path relative to src/, so that a test can forge a file that breaks a rule.
 */
import { isBuiltin } from 'node:module'
import { posix } from 'node:path'
import ts from 'typescript'

/** Folders (or single files) of src that the files of a room may import, besides their own room. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  base: [],
  content: ['base'],
  'transfer/protocol': ['base'],
  'transfer/core': [
    'transfer/protocol',
    'base',
    'content/bitfield.ts',
    'content/piece-map.ts',
    // Types alone: see TYPES_ONLY.
    'content/manifest.ts'
  ],
  'transfer/io': [
    'transfer/core',
    'transfer/protocol',
    'base',
    'content/bitfield.ts',
    'content/piece-map.ts',
    'content/manifest.ts'
  ],
  dht: ['base'],
  node: ['transfer', 'dht', 'content', 'base'],
  rpc: ['node', 'base'],
  cli: ['rpc', 'node', 'base'],
  // The file src/index.ts: what an embedder imports.
  '': ['node', 'base']
}

/** From `transfer`, only the shape of a manifest may be used, never its code. */
const TYPES_ONLY = ['content/manifest.ts']

/** No clock, no random source, no I/O, no logger: given the same inputs they do the same thing. */
const PURE_ROOMS = ['transfer/protocol', 'transfer/core']
/** Codecs and plain data structures. */
const PURE_PACKAGES = ['protons-runtime', 'uint8arraylist', 'uint8arrays', 'multiformats']
const IMPURE_GLOBALS = new Set([
  ...['setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'clearImmediate', 'queueMicrotask'],
  ...['Date', 'performance', 'console', 'process', 'crypto', 'Buffer', 'fetch', 'globalThis', 'global', 'require']
])

export interface SourceFileText {
  /** Relative to src/, '/'-separated: `node/api.ts`. */
  path: string
  text: string
}

interface Import {
  specifier: string
  typeOnly: boolean
  line: number
}

/** What is wrong with a file, one line each, starting with `path:line`. */
export function violations(file: SourceFileText, dependencies: readonly string[]): string[] {
  const source = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.Latest, true)
  const room = roomOf(file.path)
  const allowed = MAY_IMPORT[room]
  if (allowed === undefined) return [`${file.path}:1 lies in no known room; add it to test/project/import-rules.ts`]
  const pure = PURE_ROOMS.includes(room)
  const found: string[] = []
  const report = (line: number, what: string) => found.push(`${file.path}:${line} ${what}`)

  const imports = importsOf(source)
  for (const { specifier, typeOnly, line } of imports) {
    if (specifier.startsWith('.')) {
      const target = posix.normalize(posix.join(posix.dirname(file.path), specifier))
      if (target.startsWith('..')) report(line, `imports ${specifier}, which is outside src`)
      else if (!specifier.endsWith('.ts')) report(line, `imports ${specifier} without its .ts`)
      else if (!reaches(target, room === '' ? allowed : [room, ...allowed])) {
        report(
          line,
          `imports ${target}: ${room === '' ? 'the entry' : room} may import ${allowed.join(', ') || 'nothing of ours'}`
        )
      } else if (room.startsWith('transfer/') && TYPES_ONLY.includes(target) && !typeOnly) {
        report(line, `imports code of ${target}: only its types may be used here`)
      }
    } else if (isBuiltin(specifier)) {
      if (pure) report(line, `imports ${specifier}: ${room} is pure`)
      else if (!specifier.startsWith('node:')) report(line, `imports ${specifier} without node:`)
    } else {
      const name = packageOf(specifier)
      if (!dependencies.includes(name))
        report(line, `imports ${name}, which package.json does not list under dependencies`)
      if (pure && !PURE_PACKAGES.includes(name)) report(line, `imports ${name}: ${room} is pure`)
    }
  }
  if (pure) for (const { name, line } of impureGlobals(source)) report(line, `uses ${name}: ${room} is pure`)
  if (isEntry(file.path)) {
    const first = imports[0]
    const target = first && posix.normalize(posix.join(posix.dirname(file.path), first.specifier))
    if (target !== 'base/polyfill.ts') report(first?.line ?? 1, 'is an entry and must import base/polyfill.ts first')
  }
  return found
}

/** Files that a new thread or process starts with. Worker files are recognised by name: see `workersStartedIn`. */
export function isEntry(path: string): boolean {
  return path === 'index.ts' || path === 'cli/main.ts' || /(^|[-/])worker\.ts$/.test(path)
}

/** Paths, relative to src/, of the files that `new Worker(new URL('./x.ts', import.meta.url))` starts. */
export function workersStartedIn(file: SourceFileText): string[] {
  const source = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.Latest, true)
  const found: string[] = []
  const visit = (node: ts.Node) => {
    if (ts.isNewExpression(node) && node.expression.getText(source) === 'Worker') {
      const path = node.arguments?.[0]?.getText(source).match(/['"`](\.[^'"`]*)['"`]/)?.[1]
      found.push(
        path === undefined
          ? `${file.path}: unreadable`
          : posix.join(posix.dirname(file.path), path).replace(/\.js$/, '.ts')
      )
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

function roomOf(path: string): string {
  const folders = posix.dirname(path).split('/')
  if (folders[0] === '.') return ''
  return folders[0] === 'transfer' ? folders.slice(0, 2).join('/') : (folders[0] ?? '')
}

function reaches(target: string, places: readonly string[]): boolean {
  return places.some(place => target === place || target.startsWith(`${place}/`))
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

/** Every way a file names another: import, export from, `import('…')` as a call and as a type, `require`. In order. */
function importsOf(source: ts.SourceFile): Import[] {
  const found: Import[] = []
  const add = (literal: ts.Node | undefined, typeOnly: boolean) => {
    if (literal !== undefined && ts.isStringLiteralLike(literal)) {
      const line = source.getLineAndCharacterOfPosition(literal.getStart(source)).line + 1
      found.push({ specifier: literal.text, typeOnly, line })
    }
  }
  const visit = (node: ts.Node) => {
    if (ts.isImportDeclaration(node)) {
      const named = node.importClause?.namedBindings
      const eachIsType =
        node.importClause?.name === undefined &&
        named !== undefined &&
        ts.isNamedImports(named) &&
        named.elements.length > 0 &&
        named.elements.every(element => element.isTypeOnly)
      add(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword || eachIsType)
    } else if (ts.isExportDeclaration(node)) {
      add(node.moduleSpecifier, node.isTypeOnly)
    } else if (ts.isImportTypeNode(node)) {
      add(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined, true)
    } else if (ts.isCallExpression(node)) {
      const isImport = node.expression.kind === ts.SyntaxKind.ImportKeyword
      if (isImport || node.expression.getText(source) === 'require') add(node.arguments[0], false)
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

function impureGlobals(source: ts.SourceFile): Array<{ name: string; line: number }> {
  const found: Array<{ name: string; line: number }> = []
  const add = (node: ts.Node, name: string) => {
    found.push({ name, line: source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1 })
  }
  const visit = (node: ts.Node) => {
    if (ts.isIdentifier(node) && IMPURE_GLOBALS.has(node.text) && !isMemberName(node)) add(node, node.text)
    if (ts.isIdentifier(node) && node.text === 'Math' && !isMemberName(node)) {
      const { parent } = node
      const member = ts.isPropertyAccessExpression(parent)
        ? parent.name.text
        : ts.isElementAccessExpression(parent) && ts.isStringLiteralLike(parent.argumentExpression)
          ? parent.argumentExpression.text
          : undefined
      // `const { random } = Math` and `Math[name]` could be anything.
      if (member === undefined || member === 'random') add(node, 'Math.random')
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

/** `frame.process`, `{ process: 1 }`, `process?: number` in an interface: a name of ours, not the global. */
function isMemberName(node: ts.Identifier): boolean {
  const { parent } = node
  if (ts.isPropertyAccessExpression(parent) || ts.isQualifiedName(parent)) {
    return (ts.isPropertyAccessExpression(parent) ? parent.name : parent.right) === node
  }
  return (
    (ts.isPropertyAssignment(parent) ||
      ts.isPropertySignature(parent) ||
      ts.isPropertyDeclaration(parent) ||
      ts.isMethodSignature(parent) ||
      ts.isMethodDeclaration(parent) ||
      ts.isGetAccessorDeclaration(parent) ||
      ts.isSetAccessorDeclaration(parent)) &&
    parent.name === node
  )
}
