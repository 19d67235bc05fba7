/**
 * Reads interfaces, classes and type aliases out of a declaration file (`.d.ts`), as far as the vendors' SDKs use the
 * language there: enough to list the members of a request and of everything in it.
 */
import { readFileSync } from 'node:fs'

export interface Member {
  readonly name: string
  readonly isOptional: boolean
  /** The type's text, without comments. */
  readonly type: string
}

export interface Declarations {
  /** By name; within a namespace `Namespace.Name`. */
  readonly interfaces: ReadonlyMap<string, { readonly bases: readonly string[]; readonly members: readonly Member[] }>
  readonly aliases: ReadonlyMap<string, string>
}

/** The declarations of several files together; of two of one name the first counts. */
export function readDeclarations(files: readonly URL[]): Declarations {
  const found = { interfaces: new Map(), aliases: new Map() }
  for (const file of files) readBlock(withoutComments(textOf(file)), '', found)
  return found
}

function textOf(file: URL): string {
  return file.protocol === 'data:'
    ? decodeURIComponent(file.href.slice(file.href.indexOf(',') + 1))
    : readFileSync(file, 'utf8')
}

interface Found {
  interfaces: Map<string, { bases: string[]; members: Member[] }>
  aliases: Map<string, string>
}

const HEAD =
  /(?:^|[\n;}])\s*(?:export\s+)?(?:declare\s+)?(?:abstract\s+)?(interface|class|type|namespace)\s+([\w$]+)(?:<[^>{=]*>)?\s*/y

function readBlock(text: string, prefix: string, found: Found): void {
  let at = 0
  while (at < text.length) {
    HEAD.lastIndex = at
    const head = HEAD.exec(text)
    if (!head) {
      at += 1
      continue
    }
    const [whole, kind, name] = head
    at += whole.length
    const full = `${prefix}${name}`
    if (kind === 'type') {
      const end = endOf(text, at, ';')
      if (!found.aliases.has(full))
        found.aliases.set(
          full,
          text
            .slice(at, end)
            .replace(/^\s*=\s*/, '')
            .trim(),
        )
      at = end
      continue
    }
    const open = text.indexOf('{', at)
    const close = endOf(text, open + 1, '}')
    const body = text.slice(open + 1, close)
    if (kind === 'namespace') readBlock(`;${body}`, `${full}.`, found)
    else if (!found.interfaces.has(full)) {
      const bases = text.slice(at, open).replace(/^extends\s+/, '')
      found.interfaces.set(full, { bases: split(bases, ','), members: membersOf(body) })
    }
    at = close
  }
}

/** Members of an object type's body; methods and index signatures are left out. */
export function membersOf(body: string): Member[] {
  return split(body, ';').flatMap((text): Member[] => {
    const match = /^(?:readonly\s+)?['"]?([\w-]+)['"]?(\?)?\s*:\s*([\s\S]+)$/.exec(text)
    if (!match) return []
    return [{ name: match[1] as string, isOptional: match[2] === '?', type: (match[3] as string).trim() }]
  })
}

/** The parts of a text between separators that stand in no bracket or quote. */
export function split(text: string, separator: string): string[] {
  const parts: string[] = []
  let start = 0
  while (start < text.length) {
    const end = endOf(text, start, separator)
    parts.push(text.slice(start, end).trim())
    start = end + 1
  }
  return parts.filter((part) => part !== '')
}

const OPENING = '{[(<'
const CLOSING = '}])>'

/** Where the next `stop` stands outside of brackets and quotes; the end of the text when there is none. */
function endOf(text: string, from: number, stop: string): number {
  let depth = 0
  for (let i = from; i < text.length; i++) {
    const char = text[i] as string
    if (depth === 0 && char === stop) return i
    if (char === "'" || char === '"') i = text.indexOf(char, i + 1)
    else if (OPENING.includes(char)) depth += 1
    else if (char === '>' && text[i - 1] === '=') continue
    else if (CLOSING.includes(char)) depth -= 1
  }
  return text.length
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
}
