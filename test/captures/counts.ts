/** Recorded counts of tokens: asked for by clients of every protocol that can count, told as the upstream counted. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { post } from '../support/http.ts'
import type { Family } from './case.ts'
import type { PlainAnswers, ReceivedRequest } from './replay-upstream.ts'
import type { Outcome } from './verdict.ts'
import { countPathOf, keyHeaders } from './wire.ts'
import { modelFor, UPSTREAM_KEY, type World } from './world.ts'

type Wire = Readonly<Record<string, unknown>>

export interface CountCase {
  readonly name: string
  readonly family: Family
  readonly status: number
  readonly body: Buffer
  readonly request: Wire
  /** Null: the upstream refused to count. */
  readonly tokens: number | null
}

const COUNTING: readonly Family[] = ['openai-responses', 'anthropic-messages', 'google-generate']

export function loadCounts(directory: string, filter = ''): CountCase[] {
  const root = join(directory, 'count-tokens')
  if (!existsSync(root)) return []
  const names = readdirSync(root).filter((name) => `count-tokens/${name}`.includes(filter))
  return names.sort().map((name) => {
    const read = (file: string) => readFileSync(join(root, name, file), 'utf8')
    const { status, expected } = JSON.parse(read('response.meta.json')) as CountMeta
    const request = JSON.parse(read('request.json')) as Wire
    const family = COUNTING.find((candidate) => candidate.startsWith(name.split('-')[0] ?? '')) ?? 'openai-responses'
    const body = Buffer.from(read('response.json'))
    return { name, family, status, body, request, tokens: expected.input_tokens ?? null }
  })
}

interface CountMeta {
  readonly status: number
  readonly expected: { readonly input_tokens?: number }
}

export function countModels(cases: readonly CountCase[]): Record<string, object> {
  return Object.fromEntries(cases.map(({ name, family }) => [modelId(name), modelFor(family, name)]))
}

export function countAnswers(cases: readonly CountCase[]): PlainAnswers {
  const headers = { 'content-type': 'application/json' }
  return new Map(
    cases.map(({ name, family, status, body }) => [`${family}/count/${name}`, () => ({ status, headers, body })]),
  )
}

function modelId(name: string): string {
  return `count/${name}`
}

export async function runCounts(world: World, cases: readonly CountCase[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (const replayed of cases) for (const target of COUNTING) outcomes.push(await count(world, replayed, target))
  return outcomes
}

async function count({ gateway, upstream }: World, replayed: CountCase, target: Family): Promise<Outcome> {
  const key = `${replayed.family}/count/${replayed.name}`
  const before = upstream.receivedFor(key).length
  const url = `${gateway.baseUrl}/zen/v1${countPathOf(target, modelId(replayed.name))}`
  const body = bodyFor(replayed, target, modelId(replayed.name))
  const headers = { ...keyHeaders(target, gateway.apiKey), 'content-type': 'application/json' }
  const reply = await post(url, headers, Buffer.from(JSON.stringify(body)))
  const problems = [
    ...checkReply(replayed, target, reply),
    ...checkReceived(replayed, target, upstream.receivedFor(key)[before]),
  ]
  const losses = replayed.tokens === null ? ['a count that the upstream refuses is estimated'] : []
  const label = `count-tokens/${replayed.name} → ${target}`
  const verdict = problems.length > 0 ? 'failed' : losses.length > 0 ? 'disclosed' : 'passed'
  return { family: 'count-tokens', target, label, verdict, losses, problems }
}

const WORDS = 'What is the capital of Iceland?'
const MINIMAL: Readonly<Record<string, Wire>> = {
  'openai-responses': { input: WORDS },
  'anthropic-messages': { messages: [{ role: 'user', content: WORDS }] },
  'google-generate': { contents: [{ role: 'user', parts: [{ text: WORDS }] }] },
}

function bodyFor({ family, request }: CountCase, target: Family, model: string): Wire {
  if (target !== 'google-generate') return { ...(target === family ? request : MINIMAL[target]), model }
  if (target !== family) return MINIMAL[target] ?? {}
  return { generateContentRequest: { ...(request.generateContentRequest as Wire), model: `models/${model}` } }
}

function checkReply(
  { tokens }: CountCase,
  target: Family,
  { status, body }: { status: number; body: Buffer },
): string[] {
  if (status !== 200) return [`expected status 200, got ${status} ${body.toString('utf8').slice(0, 200)}`]
  const reply = JSON.parse(body.toString('utf8')) as Wire
  const got = target === 'google-generate' ? reply.totalTokens : reply.input_tokens
  const isRight = tokens === null ? Number(got) >= 1 : got === tokens
  const isShaped = target !== 'openai-responses' || reply.object === 'response.input_tokens'
  return isRight && isShaped ? [] : [`expected ${tokens ?? 'an estimate'}, got ${JSON.stringify(reply)}`]
}

function checkReceived(replayed: CountCase, target: Family, received: ReceivedRequest | undefined): string[] {
  if (received === undefined) return ['nobody asked the upstream']
  const problems: string[] = []
  const [[name, credential] = ['', '']] = Object.entries(keyHeaders(replayed.family, UPSTREAM_KEY))
  if (received.headers[name] !== credential) problems.push(`expected the operator's key in ${name}`)
  if (target !== replayed.family) return problems
  const sent = bodyFor(replayed, target, replayed.name)
  const got: unknown = JSON.parse(received.body.toString('utf8'))
  if (!isDeepStrictEqual(got, sent)) problems.push(`expected ${JSON.stringify(sent)}, got ${JSON.stringify(got)}`)
  return problems
}
