/**
 * Compiles src into a temporary folder, for tests that need a real child process: Node 20 cannot run TypeScript. Only
 * types are stripped, so it takes a second.
 */
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import ts from 'typescript'

const project = join(import.meta.dirname, '..', '..')

/** @param folder an empty folder; afterwards `src/base/units.ts` is `<folder>/base/units.js` */
export async function compileSource(folder: string): Promise<void> {
  await symlink(join(project, 'node_modules'), join(folder, 'node_modules'))
  await writeFile(join(folder, 'package.json'), JSON.stringify({ type: 'module' }))
  for (const name of await readdir(join(project, 'src'), { recursive: true })) {
    if (!name.endsWith('.ts') || name.endsWith('.d.ts')) continue
    const { outputText } = ts.transpileModule(await readFile(join(project, 'src', name), 'utf8'), {
      fileName: name,
      compilerOptions: {
        target: ts.ScriptTarget.ES2023,
        module: ts.ModuleKind.ESNext,
        verbatimModuleSyntax: true,
        rewriteRelativeImportExtensions: true
      }
    })
    const to = join(folder, name.replace(/\.ts$/, '.js'))
    await mkdir(dirname(to), { recursive: true })
    await writeFile(to, outputText)
  }
}
