/** Reads the text of a `zendo.jsonc`: a checked configuration, or every problem with its line. Never throws. */
import { createScanner, findNodeAtLocation, getNodeValue, type Node, type ParseError, parseTree } from 'jsonc-parser'
import type { z } from 'zod'
import { BUILT_IN_CATALOG } from './built-in-catalog.ts'
import type { BuiltInCatalog } from './catalog-merge.ts'
import { type ConfigFault, checkConfig } from './config-check.ts'
import { type Config, configSchema } from './config-schema.ts'

/** What is wrong and where. Line and column count from one; `path` is dotted, empty for the file as a whole. */
export interface ConfigProblem {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly path: string
  readonly reason: string
}

export type ParsedConfig =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] }

type Path = readonly (string | number)[]

/** Characters of a file at most; the built-in catalogue as a file would be a quarter of it. */
const MAX_LENGTH = 1_048_576
/** The schema needs eight levels; the parser calls itself for each. */
const MAX_DEPTH = 32
/** More problems than this help nobody. */
const MAX_PROBLEMS = 50

export function parseConfig(text: string, file: string, builtIn: BuiltInCatalog = BUILT_IN_CATALOG): ParsedConfig {
  const read = readTree(text)
  const faults = 'faults' in read ? read.faults : checkTree(read.root, builtIn)
  if (!Array.isArray(faults)) return { ok: true, config: faults.config }
  const problems = faults.map((fault) => ({ ...fault, ...lineAndColumn(text, fault.offset) }))
  problems.sort((a, b) => a.line - b.line || a.column - b.column)
  return {
    ok: false,
    problems: problems.slice(0, MAX_PROBLEMS).map(({ line, column, path, reason }) => ({
      file,
      line,
      column,
      path,
      reason,
    })),
  }
}

/** One problem with a place that the file itself does not show, such as an unset variable. */
export function problemAt(text: string, file: string, path: Path, reason: string): ConfigProblem {
  const read = readTree(text)
  const offset = 'faults' in read ? 0 : offsetOf(read.root, path)
  return { file, ...lineAndColumn(text, offset), path: pathText(path), reason }
}

/** `zendo.jsonc:12:5: models.glm-5.2.price: a metered model needs a price`, one problem a line. */
export function formatProblems(problems: readonly ConfigProblem[]): string {
  return problems
    .map(
      ({ file, line, column, path, reason }) => `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${reason}`,
    )
    .join('\n')
}

interface PlacedFault {
  readonly offset: number
  readonly path: string
  readonly reason: string
}

function readTree(source: string): { root: Node } | { faults: PlacedFault[] } {
  // Windows editors begin a file with a byte order mark; a space in its place keeps every offset.
  const text = source.replace(/^\uFEFF/, ' ')
  const refuse = (offset: number, reason: string) => ({ faults: [{ offset, path: '', reason }] })
  if (text.length > MAX_LENGTH) return refuse(0, `the file is longer than ${MAX_LENGTH} characters`)
  const tooDeep = offsetOfDepth(text, MAX_DEPTH)
  if (tooDeep !== null) return refuse(tooDeep, `nested deeper than ${MAX_DEPTH} levels`)
  const errors: ParseError[] = []
  const root = parseTree(text, errors, { allowTrailingComma: true })
  if (root === undefined && !/\S/.test(text)) return refuse(0, 'the file is empty; a configuration of nothing is {}')
  if (errors.length > 0 || root === undefined) {
    return { faults: errors.map(({ error, offset }) => ({ offset, path: '', reason: syntaxReason(error) })) }
  }
  const repeated = repeatedKeys(root)
  return repeated.length > 0 ? { faults: repeated } : { root }
}

function offsetOfDepth(text: string, maxDepth: number): number | null {
  const scanner = createScanner(text, true)
  let depth = 0
  for (let token = scanner.scan(); token !== TOKEN.end; token = scanner.scan()) {
    if (token === TOKEN.openBrace || token === TOKEN.openBracket) depth++
    if (token === TOKEN.closeBrace || token === TOKEN.closeBracket) depth--
    if (depth > maxDepth) return scanner.getTokenOffset()
  }
  return null
}

/** `SyntaxKind` of jsonc-parser, which is a const enum and so has no value at run time. */
const TOKEN: { readonly [name: string]: number } = {
  openBrace: 1,
  closeBrace: 2,
  openBracket: 3,
  closeBracket: 4,
  end: 17,
}

/** JSON lets a key stand twice and the last one win, which nobody means in a price list. */
function repeatedKeys(node: Node, path: Path = []): PlacedFault[] {
  const children = node.children ?? []
  if (node.type !== 'object') return children.flatMap((child, index) => repeatedKeys(child, [...path, index]))
  const seen = new Set<unknown>()
  return children.flatMap((property) => {
    const key = property.children?.[0]
    if (key === undefined) return []
    const keyPath = [...path, String(key.value)]
    const value = property.children?.[1]
    const below = value === undefined ? [] : repeatedKeys(value, keyPath)
    const isPossible = key.value !== '__proto__'
    if (isPossible && !seen.has(key.value)) {
      seen.add(key.value)
      return below
    }
    const reason = isPossible ? 'this key stands twice in the same object' : 'not a possible key'
    return [{ offset: key.offset, path: pathText(keyPath), reason }, ...below]
  })
}

function checkTree(root: Node, builtIn: BuiltInCatalog): PlacedFault[] | { config: Config } {
  const value: unknown = getNodeValue(root)
  const parsed = configSchema.safeParse(value)
  const faults = parsed.success
    ? checkConfig(parsed.data, builtIn)
    : parsed.error.issues.flatMap((issue) => (isMissing(root, issue) ? [requiredFault(issue)] : faultsOf(issue)))
  if (parsed.success && faults.length === 0) return { config: parsed.data }
  return faults.map((fault) => ({
    offset: offsetOf(root, fault.path, fault.atKey),
    path: pathText(fault.path),
    reason: fault.reason,
  }))
}

function isMissing(root: Node, issue: z.core.$ZodIssue): boolean {
  return issue.code.startsWith('invalid_') && findNodeAtLocation(root, pathOf(issue)) === undefined
}

function requiredFault(issue: z.core.$ZodIssue): ConfigFault {
  return { path: pathOf(issue), reason: 'is required' }
}

function pathOf(issue: z.core.$ZodIssue): (string | number)[] {
  return issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))
}

function faultsOf(issue: z.core.$ZodIssue): ConfigFault[] {
  const path = pathOf(issue)
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key], atKey: true, reason: 'there is no such key' }))
  }
  if (issue.code === 'invalid_key')
    return [{ path, atKey: true, reason: issue.issues[0]?.message ?? 'not a possible key' }]
  if (issue.code === 'invalid_type' && issue.message.startsWith('Invalid input')) {
    return [{ path, reason: `expected ${withArticle(issue.expected)}` }]
  }
  return [{ path, reason: issue.message }]
}

function withArticle(noun: string): string {
  if (noun === 'record') return 'an object'
  return `${/^[aeiou]/.test(noun) ? 'an' : 'a'} ${noun}`
}

/** Keys are the file's own words: control characters in one could forge a line of the log. */
function pathText(path: Path): string {
  return path.join('.').replace(/\p{Cc}/gu, '?')
}

/** Where a path begins in the text: its value, or its key if the value is large or the key is meant; else what it is missing in. */
function offsetOf(root: Node, path: Path, atKey = false): number {
  for (let length = path.length; length > 0; length--) {
    const node = findNodeAtLocation(root, path.slice(0, length))
    if (node === undefined) continue
    const isMeant = node.children === undefined && !(atKey && length === path.length)
    return isMeant || node.parent?.type !== 'property' ? node.offset : node.parent.offset
  }
  return root.offset
}

/** Counts LF, CR LF and a lone CR as one line each. */
function lineAndColumn(text: string, offset: number): { line: number; column: number } {
  const lines = text.slice(0, offset).split(/\r\n|\r|\n/)
  const last = lines.at(-1) ?? ''
  return { line: lines.length, column: last.replace(/^\uFEFF/, '').length + 1 }
}

/** The parser's error codes (`ParseErrorCode`, in order from 1) in words. */
const SYNTAX_REASONS = [
  'this is not JSON',
  'not a number',
  'expected a key in double quotes',
  'expected a value',
  'expected a colon',
  'expected a comma',
  'expected a closing brace }',
  'expected a closing bracket ]',
  'expected the end of the file',
  'this comment is not allowed',
  'a comment is not closed',
  'a text is not closed',
  'a number is not finished',
  'not a Unicode escape: \\u and four hexadecimal digits',
  'not an escape: a backslash in a text is written \\\\',
  'a control character in a text',
]

function syntaxReason(code: number): string {
  return SYNTAX_REASONS[code - 1] ?? 'this is not JSON'
}
