/**
 * Reads the parts of a Markdown page that tests run. A fence is marked by an HTML comment on the line before it, which
 * a reader of the page does not see:
 *
 *     <!-- test -->         the fence is run and must succeed
 *     <!-- test daemon -->  the fence is one command that keeps running; the next fences use it
 *     <!-- output -->       the fence is what the test fence before it prints; `…` stands for anything within a line
 */
export interface MarkedFence {
  kind: 'test' | 'daemon' | 'output'
  language: string
  text: string
  /** Of its first line, from 1 on. */
  line: number
}

const FENCE = /^```[\s\S]*?^```$/gm
const MARK = /^<!-- (test|test daemon|output) -->$/

/** @throws when a mark is not followed by a fence, or a fence does not end */
export function markedFences(page: string): MarkedFence[] {
  const lines = page.split('\n')
  const found: MarkedFence[] = []
  for (const [at, text] of lines.entries()) {
    const mark = MARK.exec(text)?.[1]
    if (mark === undefined) {
      if (/<!--\s*(test|output)/.test(text)) throw new Error(`line ${at + 1}: not a mark that is known: ${text}`)
      continue
    }
    const language = /^```(\w+)$/.exec(lines[at + 1] ?? '')?.[1]
    if (language === undefined) throw new Error(`line ${at + 1}: no fence with a language follows ${text}`)
    const end = lines.indexOf('```', at + 2)
    if (end === -1) throw new Error(`line ${at + 2}: a fence without an end`)
    const kind = mark === 'test daemon' ? 'daemon' : mark === 'output' ? 'output' : 'test'
    found.push({ kind, language, text: lines.slice(at + 2, end).join('\n'), line: at + 3 })
  }
  return found
}

/** Does `actual` consist of the lines of `pattern`? `…` matches anything within a line, a line of only `…` any lines. */
export function outputMatches(pattern: string, actual: string): boolean {
  const source = pattern
    .trim()
    .split('\n')
    .map(line =>
      line.trim() === '…'
        ? '[\\s\\S]*?'
        : line
            .split('…')
            .map(part => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
            .join('.*?')
    )
    .join('\n')
  return new RegExp(`^${source}$`).test(actual.trim().replace(/[ \t]+$/gm, ''))
}

/** Targets of all inline links, without those inside fences. */
export function linksIn(page: string): string[] {
  const prose = page.replace(FENCE, '').replace(/`[^`\n]*`/g, '')
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(match => match[1] ?? '')
}

/** The anchors of its headings, as GitHub makes them. */
export function anchorsIn(page: string): string[] {
  return [...page.replace(FENCE, '').matchAll(/^#+ (.+)$/gm)].map(match =>
    (match[1] ?? '')
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-')
  )
}
