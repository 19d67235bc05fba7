/** Replies of operations as text for people: lists as tables, everything else line by line. */
import { formatTable } from './table.ts'

type Entry = Readonly<Record<string, unknown>>

export function formatReply(reply: unknown): string {
  if (reply === null || reply === undefined) return 'Done.'
  if (!isEntry(reply)) return String(reply)
  const { data, next_cursor: next, ...others } = reply
  if (!Array.isArray(data)) return formatEntry(reply)
  const list = formatList(data.filter(isEntry))
  const facts = Object.keys(others).length > 0 ? `${formatEntry(others)}\n\n` : ''
  return typeof next === 'string' ? `${facts}${list}\n\nMore: --cursor ${next}` : facts + list
}

function formatList(entries: readonly Entry[]): string {
  const names = [...new Set(entries.flatMap((entry) => Object.keys(entry)))].filter((name) =>
    entries.some((entry) => entry[name] !== null && entry[name] !== undefined),
  )
  const columns = names.map((name) => ({ title: name.replaceAll('_', ' ').toUpperCase() }))
  return formatTable(
    columns,
    entries.map((entry) => names.map((name) => formatValue(entry[name]))),
    'There are none.',
  )
}

function formatEntry(entry: Entry): string {
  const width = Math.max(0, ...Object.keys(entry).map((name) => name.length))
  return Object.entries(entry)
    .map(([name, value]) => `${name.replaceAll('_', ' ').padEnd(width)}  ${formatValue(value)}`)
    .join('\n')
}

function formatValue(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (Array.isArray(value)) return value.map(formatValue).join(', ')
  if (isEntry(value)) return typeof value.name === 'string' ? value.name : formatFacts(value)
  // Names come from people: a terminal must not obey them.
  return String(value).replace(/\p{Cc}/gu, ' ')
}

function formatFacts(entry: Entry): string {
  const known = Object.entries(entry).filter(([, value]) => value !== null && value !== undefined)
  return known.map(([name, value]) => `${name.replaceAll('_', ' ')} ${formatValue(value)}`).join(', ')
}

function isEntry(value: unknown): value is Entry {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
