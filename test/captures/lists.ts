/** Recorded lists of models: what clients read from those of their vendor they read from ours. Nothing is upstream here. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
import OpenAI from 'openai'
import { failureOf } from './translated/seen.ts'
import type { Outcome } from './verdict.ts'
import type { World } from './world.ts'

type Wire = Readonly<Record<string, unknown>>
type Shape = 'openai-chat' | 'anthropic-messages' | 'google-generate'

export interface ListCase {
  readonly name: string
  /** Whose library reads it: OpenAI's, unless it is of Anthropic or Google. */
  readonly shape: Shape
  readonly status: number
  readonly body: string
  /** Null for an error. */
  readonly ids: readonly string[] | null
}

export function loadLists(directory: string, filter = ''): ListCase[] {
  const root = join(directory, 'models')
  if (!existsSync(root)) return []
  const names = readdirSync(root).filter((name) => `models/${name}`.includes(filter))
  return names.sort().map((name) => {
    const read = (file: string) => readFileSync(join(root, name, file), 'utf8')
    const { status, expected } = JSON.parse(read('response.meta.json')) as ListMeta
    return { name, shape: shapeOf(name), status, body: read('response.json'), ids: expected.model_ids ?? null }
  })
}

interface ListMeta {
  readonly status: number
  readonly expected: { readonly model_ids?: readonly string[] }
}

function shapeOf(name: string): Shape {
  if (name.startsWith('anthropic-')) return 'anthropic-messages'
  return name.startsWith('google-') ? 'google-generate' : 'openai-chat'
}

/** @param offered ids that the gateway must list */
export async function runLists(
  { gateway }: World,
  cases: readonly ListCase[],
  offered: readonly string[],
): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (const replayed of cases) {
    const key = replayed.ids === null ? 'sk-zendo-nobody-has-this-key' : gateway.apiKey
    const theirs = await read(replayed.shape, 'http://recorded.invalid', key, replayOf(replayed))
    const ours = await read(replayed.shape, gateway.baseUrl, key, fetch)
    const problems = replayed.ids === null ? checkRefusal(theirs, ours) : checkList(replayed, { theirs, ours, offered })
    const verdict = problems.length > 0 ? 'failed' : 'passed'
    const label = `models/${replayed.name}`
    outcomes.push({ family: 'models', target: replayed.shape, label, verdict, losses: [], problems })
  }
  return outcomes
}

function replayOf({ status, body }: ListCase): typeof fetch {
  const headers = { 'content-type': 'application/json' }
  return () => Promise.resolve(new Response(body, { status, headers }))
}

/** The items as the library gives them, or how it told its failure. */
type Read = readonly Wire[] | { readonly status: number | null; readonly message: string }

async function read(shape: Shape, baseUrl: string, apiKey: string, fetcher: typeof fetch): Promise<Read> {
  const items: Wire[] = []
  try {
    for await (const item of await listOf(shape, baseUrl, apiKey, fetcher)) {
      items.push({ ...item })
      if (items.length > MOST) break
    }
    return items
  } catch (error) {
    return failureOf(error)
  }
}

/** A recorded first page promises more, which a replay would give forever. */
const MOST = 5000

function listOf(shape: Shape, baseUrl: string, apiKey: string, fetcher: typeof fetch) {
  const common = { apiKey, fetch: onePage(baseUrl, fetcher), maxRetries: 0 }
  switch (shape) {
    case 'openai-chat':
      return new OpenAI({ ...common, baseURL: `${baseUrl}/zen/v1` }).models.list()
    case 'anthropic-messages':
      return new Anthropic({ ...common, baseURL: `${baseUrl}/zen` }).models.list({ limit: 1000 })
    case 'google-generate': {
      const httpOptions = { baseUrl: `${baseUrl}/zen`, apiVersion: 'v1beta', fetch: common.fetch }
      return new GoogleGenAI({ apiKey, httpOptions }).models.list({ config: { pageSize: 1000 } })
    }
  }
}

/** Of a recording there is one page, whatever it says of others. */
function onePage(baseUrl: string, fetcher: typeof fetch): typeof fetch {
  if (!baseUrl.endsWith('.invalid')) return fetcher
  return async (...args) => {
    const response = await fetcher(...args)
    const body = (await response.json()) as Record<string, unknown>
    return Response.json({ ...body, has_more: false, nextPageToken: undefined }, { status: response.status })
  }
}

function checkRefusal(theirs: Read, ours: Read): string[] {
  if (!('message' in theirs)) return ['the recording is no refusal']
  if (!('message' in ours)) return ['expected a refusal of an unknown key']
  return ours.status === 401 && /key/i.test(ours.message)
    ? []
    : [`expected 401 about the key, got ${JSON.stringify(ours)}`]
}

interface Lists {
  readonly theirs: Read
  readonly ours: Read
  readonly offered: readonly string[]
}

/** All of ours are there, and each has what every item of the vendor's own list has, in the same kind of value. */
function checkList({ name, shape, ids }: ListCase, { theirs, ours, offered }: Lists): string[] {
  if ('message' in theirs) return [`the library cannot read the recording: ${theirs.message}`]
  if ('message' in ours) return [`the library cannot read ours: ${ours.message}`]
  const problems: string[] = []
  const read = theirs.map(idOf)
  if (ids?.some((id) => !read.includes(id.replace(/^models\//, ''))))
    problems.push('the library misses recorded models')
  const listed = new Set(ours.map(idOf))
  const missing = offered.filter((id) => !listed.has(id))
  if (missing.length > 0) problems.push(`${missing.length} models are not listed: ${missing.slice(0, 3)}`)
  const wanted = OWN_LISTS.includes(name) ? commonMembers(theirs) : new Map([['id', 'string']])
  for (const [member, kind] of shape === 'google-generate' && !OWN_LISTS.includes(name) ? [] : wanted) {
    const without = ours.find((item) => typeof item[member] !== kind)
    if (without) problems.push(`${idOf(without)} has no ${kind} in ${member}, as every recorded model has`)
  }
  return problems
}

/** Of the vendors themselves; others add to them what they like. */
const OWN_LISTS = ['openai-list', 'anthropic-list', 'google-list']

function commonMembers(items: readonly Wire[]): Map<string, string> {
  const [first = {}] = items
  const members = Object.entries(first).map(([name, value]) => [name, typeof value] as const)
  return new Map(members.filter(([name, kind]) => items.every((item) => typeof item[name] === kind)))
}

function idOf({ id, name }: Wire): string {
  return String(id ?? name).replace(/^models\//, '')
}
