/** Writes the tables of `docs/reference/translation.md` from what the codecs do: `node tools/translation-reference.ts`. */
import { readFileSync, writeFileSync } from 'node:fs'
import { PROTOCOLS, type Protocol } from '../src/base/words.ts'
import { COMPATIBLE, type Outcome, OWN_VENDOR, observe } from '../test/translation/outcome.ts'
import { FINISHES, isDelivered, REPLY_PARTS, readFinishes, writtenFinish } from '../test/translation/replies.ts'
import { SAMPLES, sampleBodies, samplePaths } from '../test/translation/samples.ts'
import { withParts } from './config-reference.ts'

export const TRANSLATION_PAGE = new URL('../docs/reference/translation.md', import.meta.url)

const TITLES: Readonly<Record<Protocol, string>> = {
  'openai-chat': 'Chat',
  'openai-responses': 'Responses',
  'anthropic-messages': 'Messages',
  'google-generate': 'Google',
}

/** The generated parts of the page, by the name of their marker. */
export function translationPageParts(): Record<string, string> {
  return {
    ...Object.fromEntries(PROTOCOLS.map((protocol) => [protocol, fieldTable(protocol)])),
    'finish-read': readTable(),
    'finish-written': writtenTable(),
    replies: replyTable(),
  }
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = rows.map((cells) => `| ${cells.join(' | ')} |`)
  return [`| ${heads.join(' | ')} |`, `|${'---|'.repeat(heads.length)}`, ...lines].join('\n')
}

function fieldTable(from: Protocol): string {
  const targets = PROTOCOLS.filter((protocol) => protocol !== from)
  const { silent } = SAMPLES[from]
  const rows = samplePaths(from).map((path) => {
    const sample = sampleBodies(SAMPLES[from], path)
    const cells = targets.map((to) =>
      [OWN_VENDOR, COMPATIBLE].map((quirks) => cellOf(observe(sample, from, to, quirks))),
    )
    const differing = targets.flatMap((to, i) => {
      const [own, compatible] = cells[i] as [string, string]
      return own === compatible ? [] : [`${TITLES[to]}: ${compatible}`]
    })
    const excuse = cells.flat().includes(SILENT) ? silent[path] : undefined
    const notes = [...(excuse === undefined ? [] : [excuse]), ...differing]
    return [
      code(path),
      ...cells.map(([own]) => (own === SILENT && excuse !== undefined ? '–' : (own as string))),
      notes.join('; '),
    ]
  })
  const heads = ['field', ...targets.map((to) => `to ${TITLES[to]}`), 'note; for compatible vendors where it differs']
  return table(heads, rows)
}

const SILENT = '**silent**'
const MAX_PATHS = 3

function cellOf(outcome: Outcome): string {
  switch (outcome.type) {
    case 'kept':
      return 'kept'
    case 'mapped':
      return pathsOf(outcome.paths)
    case 'changed': {
      const details = outcome.warnings.map(({ action, detail }) =>
        detail === undefined ? action : `${action}: ${detail}`,
      )
      const told = clean([...new Set(details)].join('; '))
      const isPart =
        outcome.paths.length > 0 && outcome.warnings.every(({ action, detail }) => action === 'dropped' && !detail)
      return isPart ? `${pathsOf(outcome.paths)}; a member ${told}` : told
    }
    case 'dropped':
      return 'dropped'
    case 'refused':
      return 'refused'
    case 'silent':
      return SILENT
  }
}

function pathsOf(paths: readonly string[]): string {
  const shown = paths.slice(0, MAX_PATHS).map(code).join(', ')
  return paths.length > MAX_PATHS ? `${shown}, …` : shown
}

function code(text: string): string {
  return `\`${text}\``
}

/** Within a cell of a table. */
function clean(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}

function readTable(): string {
  const rows = PROTOCOLS.flatMap((protocol) =>
    [...Map.groupBy(readFinishes(protocol), ({ finish }) => finish)].map(([finish, words]) => [
      TITLES[protocol],
      words.map(({ word }) => code(word)).join(', '),
      finish,
    ]),
  )
  return table(['upstream', 'its word', 'means'], rows)
}

function writtenTable(): string {
  const rows = FINISHES.map((finish) => [finish, ...PROTOCOLS.map((protocol) => code(writtenFinish(protocol, finish)))])
  return table(['means', ...PROTOCOLS.map((protocol) => `to ${TITLES[protocol]}`)], rows)
}

function replyTable(): string {
  const rows = Object.entries(REPLY_PARTS).map(([name, part]) => [
    name,
    ...PROTOCOLS.map((client) => (isDelivered(client, part) ? 'delivered' : 'lost')),
  ])
  return table(['part of a reply', ...PROTOCOLS.map((protocol) => `to ${TITLES[protocol]}`)], rows)
}

if (import.meta.main) {
  writeFileSync(TRANSLATION_PAGE, withParts(readFileSync(TRANSLATION_PAGE, 'utf8'), translationPageParts()))
}
