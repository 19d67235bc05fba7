/** Writes the tables of `docs/reference/config.md` and its JSON Schema from the schema itself: `node tools/config-reference.ts`. */
import { readFileSync, writeFileSync } from 'node:fs'
import { BUILT_IN_CATALOG } from '../src/domain/built-in-catalog.ts'
import { configJsonSchema } from '../src/domain/config-schema.ts'

export const CONFIG_PAGE = new URL('../docs/reference/config.md', import.meta.url)
export const SCHEMA_FILE = new URL('../docs/reference/zendo.schema.json', import.meta.url)

/** The part of JSON Schema that the config schema comes out in. */
interface SchemaNode {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly default?: unknown
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly additionalProperties?: SchemaNode | boolean
  readonly required?: readonly string[]
  readonly items?: SchemaNode
  readonly anyOf?: readonly SchemaNode[]
  readonly oneOf?: readonly SchemaNode[]
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
}

export interface KeyRow {
  /** `providers.<id>.timeouts.connectMs`, `models.<id>.routes[].weight` */
  readonly key: string
  readonly type: string
  readonly default: string
  readonly meaning: string
}

/** How the free names of a map are written in a key, by the map's key. */
const MAP_NAMES: Readonly<Record<string, string>> = {
  baseUrls: '<protocol>',
  quirks: '<protocol>',
  weight: '<product>',
  perProduct: '<product>',
  aliases: '<alias>',
}

/** Every key of the file, in the order of the schema. */
export function configKeyRows(): KeyRow[] {
  return rowsUnder(configJsonSchema() as SchemaNode, '')
}

function rowsUnder(node: SchemaNode, path: string): KeyRow[] {
  const variants = variantsOf(node)
  const rows = new Map<string, KeyRow[]>()
  for (const variant of variants) {
    for (const [name, child] of Object.entries(variant.properties ?? {})) {
      const key = path === '' ? name : `${path}.${name}`
      if (rows.has(key)) continue
      const all = variants.flatMap((other) => other.properties?.[name] ?? [])
      const isRequired = variants.some((other) => other.required?.includes(name))
      rows.set(key, [rowOf(key, child, all, isRequired), ...rowsBelow(child, key)])
    }
  }
  return [...rows.values()].flat()
}

function rowsBelow(node: SchemaNode, key: string): KeyRow[] {
  // What a product may have of its own are the keys of the model again.
  if (/\.perProduct\.<product>\./.test(key)) return []
  // Quirks have the same keys wherever they stand; they are listed with the providers.
  if (/^models\..*\.quirks$/.test(key)) return []
  const rows = rowsUnder(node, key)
  for (const variant of variantsOf(node)) {
    if (variant.items !== undefined) rows.push(...rowsUnder(variant.items, `${key}[]`))
    if (typeof variant.additionalProperties !== 'object') continue
    const name = MAP_NAMES[key.split('.').at(-1) ?? ''] ?? '<id>'
    rows.push(...rowsUnder(variant.additionalProperties, `${key}.${name}`))
  }
  return rows
}

function variantsOf(node: SchemaNode): readonly SchemaNode[] {
  return node.anyOf ?? node.oneOf ?? [node]
}

function rowOf(key: string, node: SchemaNode, all: readonly SchemaNode[], isRequired: boolean): KeyRow {
  const type = [...new Set(all.map(typeOf))].join(', ')
  const ofModel = key.replace('.perProduct.<product>.', '.')
  if (ofModel !== key) return { key, type, default: '', meaning: `As \`${ofModel}\`, for this product alone.` }
  return { key, type, default: isRequired ? 'required' : defaultOf(node), meaning: node.description ?? '' }
}

function defaultOf(node: SchemaNode): string {
  return node.default === undefined ? '' : `\`${JSON.stringify(node.default).replaceAll(',', ', ')}\``
}

function typeOf(node: SchemaNode): string {
  const options = node.anyOf ?? node.oneOf
  if (options !== undefined) return [...new Set(options.map(typeOf))].join(' or ')
  if (node.const !== undefined) return `\`${node.const}\``
  if (node.enum !== undefined) return node.enum.map((value) => `\`${value}\``).join(', ')
  if (node.items !== undefined) return `list of ${typeOf(node.items)}`
  if (typeof node.additionalProperties === 'object') return `map to ${typeOf(node.additionalProperties)}`
  const names = [node.type ?? 'anything'].flat().map((name) => (name === 'integer' ? 'whole number' : name))
  return `${names.join(' or ')}${rangeOf(node)}`
}

function rangeOf({ minimum, maximum, exclusiveMinimum }: SchemaNode): string {
  const low = exclusiveMinimum === undefined ? minimum : undefined
  const bounds = [
    ...(exclusiveMinimum === undefined ? [] : [`above ${exclusiveMinimum}`]),
    ...(low === undefined || low === Number.MIN_SAFE_INTEGER ? [] : [`from ${low}`]),
    ...(maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? [] : [`to ${maximum}`]),
  ]
  return bounds.length === 0 ? '' : `, ${bounds.join(' ')}`
}

/** The generated parts of the page, by the name of their marker. */
export function configPageParts(): Record<string, string> {
  return { keys: keyTables(configKeyRows()), providers: providerTable() }
}

function keyTables(rows: readonly KeyRow[]): string {
  const sections = Map.groupBy(rows, (row) => /^[^.]+/.exec(row.key)?.[0] ?? '')
  return [...sections]
    .map(([name, own]) => {
      const lines = own.map((row) => `| \`${row.key}\` | ${row.type} | ${row.default} | ${row.meaning} |`)
      return [`### \`${name}\``, '', '| key | type | default | meaning |', '|---|---|---|---|', ...lines].join('\n')
    })
    .join('\n\n')
}

function providerTable(): string {
  const lines = [...BUILT_IN_CATALOG.providers].map(([id, { baseUrls, protocol }]) => {
    const addresses = Object.entries(baseUrls ?? {}).map(([name, url]) => `${name}: ${url}`)
    return `| \`${id}\` | ${addresses.length === 0 ? (protocol ?? '') : addresses.join('<br>')} |`
  })
  return ['| provider | addresses |', '|---|---|', ...lines].join('\n')
}

/** Replaces what stands between `<!-- name:begin … -->` and `<!-- name:end -->`. @throws Error when a marker is missing. */
export function withParts(page: string, parts: Readonly<Record<string, string>>): string {
  return Object.entries(parts).reduce((text, [name, part]) => {
    const marked = new RegExp(`(<!-- ${name}:begin[^\\n]*-->\\n)[\\s\\S]*?(\\n<!-- ${name}:end -->)`)
    if (!marked.test(text)) throw new Error(`no marker for ${name}`)
    return text.replace(marked, (_all, begin: string, end: string) => `${begin}\n${part}\n${end}`)
  }, page)
}

export function schemaText(): string {
  return `${JSON.stringify(configJsonSchema(), null, 2)}\n`
}

if (import.meta.main) {
  writeFileSync(SCHEMA_FILE, schemaText())
  writeFileSync(CONFIG_PAGE, withParts(readFileSync(CONFIG_PAGE, 'utf8'), configPageParts()))
}
