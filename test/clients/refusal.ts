/**
 * An agent that is refused stops within two requests and five seconds, with the words of the refusal on its screen.
 * Nothing is sent upstream for it, and nothing booked.
 */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AppError, type AppErrorOptions, type ErrorCode } from '../../src/base/errors.ts'
import type { Product, Protocol } from '../../src/base/words.ts'
import { clientProfile } from '../../src/protocol/client-profile.ts'
import { encodeError } from '../../src/protocol/errors.ts'
import { type AgentResult, runAgent } from './agent-process.ts'
import { type Behind, type Knock, openDoor } from './door.ts'
import { outcomeOf, type ScenarioResult } from './report.ts'
import { DEAR_MODEL, FILLER_MODEL, FREE_MODEL, MESSAGES_MODEL, type Stage } from './stage.ts'
import type { InstalledAgent } from './tool-loop.ts'

/** How an agent gets into it. */
export interface RefusalCase {
  readonly code: ErrorCode
  readonly product: Product
  readonly model: string
  /** `known` is the gateway's own; the others are what they say. */
  readonly key: 'known' | 'unknown' | 'revoked' | 'public'
  /** What must stand in the message beside the words: the name of the limit, figures, the time of the reset. */
  readonly says: RegExp
  /** Given by the door, since no setting of the gateway leads there yet. */
  readonly told?: AppErrorOptions & { readonly message: string }
}

const MODEL = MESSAGES_MODEL.id
const RESET_AT_MS = Date.UTC(2026, 11, 1)
const CAP = { name: 'monthly', kind: 'cap', scope: 'workspace', used: '500.02', limit: '502.00', unit: 'usd' } as const

/** The figures hold numbers that opencode takes for the status of a passing fault. */
export const REFUSALS: readonly RefusalCase[] = [
  { code: 'missing_key', product: 'zen', model: MODEL, key: 'public', says: /No API key was sent/ },
  { code: 'invalid_key', product: 'go', model: MODEL, key: 'unknown', says: /API key is not known/ },
  { code: 'key_disabled', product: 'go', model: MODEL, key: 'revoked', says: /API key was revoked/ },
  { code: 'model_not_found', product: 'go', model: 'no-model-500', key: 'known', says: /"no-model-500"/ },
  {
    code: 'insufficient_balance',
    product: 'zen',
    model: DEAR_MODEL,
    key: 'known',
    says: /balance of \$\d.*takes \$\d.* or more/,
  },
  {
    code: 'plan_limit',
    product: 'go',
    model: MODEL,
    key: 'known',
    says: /The 5 hour limit of \$0\.495429 .* resets at 20\d\d-/,
  },
  {
    code: 'free_limit',
    product: 'zen',
    model: FREE_MODEL,
    key: 'public',
    says: /The 1 free requests .* reset at 20\d\d-/,
  },
  {
    code: 'cap_reached',
    product: 'zen',
    model: MODEL,
    key: 'known',
    says: /\$500\.02 of \$502\.00.*2026-12-01/,
    told: {
      message:
        'The monthly cap of the workspace is reached: $500.02 of $502.00 are used. It resets at 2026-12-01T00:00:00Z.',
      limit: { ...CAP, resetsAtMs: RESET_AT_MS },
    },
  },
  {
    code: 'plan_required',
    product: 'go',
    model: MODEL,
    key: 'known',
    says: /no seat/,
    told: { message: "This key's member has no seat on a plan that covers go. Add a seat, or use /zen/v1." },
  },
  {
    code: 'model_disabled',
    product: 'go',
    model: MODEL,
    key: 'known',
    says: /switched off/,
    told: { message: `The model "${MODEL}" is switched off in this workspace.` },
  },
  {
    code: 'policy_denied',
    product: 'go',
    model: MODEL,
    key: 'known',
    says: /500 days/,
    told: { message: `Every provider of "${MODEL}" keeps prompts for 500 days, which this workspace does not allow.` },
  },
]

/** Dollars of the five-hour window; what fills it takes $0.045 a request, and then $0.001. */
export const REFUSING_WINDOW_LIMIT = 0.495429

export interface RefusingStage {
  readonly stage: Stage
  readonly revokedKey: string
}

/** Fills the window, uses up what is free, and makes a key that is good no more. */
export async function prepareRefusals(stage: Stage): Promise<RefusingStage> {
  const { gateway } = stage
  // To the last bit: of what is left, an agent would be given a part.
  for (const tokens of [undefined, 1]) {
    for (;;) {
      const status = await ask(stage, 'go', FILLER_MODEL, gateway.apiKey, tokens)
      if (status === 429) break
      if (status !== 200) throw new Error(`the window could not be filled: ${status}`)
    }
  }
  const free = await ask(stage, 'zen', FREE_MODEL, 'public')
  if (free !== 200) throw new Error(`the free request was answered ${free}`)
  const created = (await gateway.cli('key', 'create', '--name', 'revoked')) as { id: string; key: string }
  await gateway.cli('key', 'revoke', created.id)
  return { stage, revokedKey: created.key }
}

async function ask(
  { gateway }: Stage,
  product: Product,
  model: string,
  key: string,
  maxTokens?: number,
): Promise<number> {
  const base = `${gateway.baseUrl}/zen${product === 'go' ? '/go' : ''}/v1`
  const response = await fetch(`${base}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model, max_tokens: maxTokens, messages: [{ role: 'user', content: 'Hello.' }] }),
  })
  await response.text()
  return response.status
}

const MAX_REQUESTS = 2
const MAX_TIME_MS = 5000
/** From the start on, which takes some agents seconds when the machine is busy. */
const LIMIT_MS = 20_000

export interface Refused {
  readonly refusing: RefusingStage
  readonly installed: InstalledAgent
  readonly protocol: Protocol
  readonly refusal: RefusalCase
}

export async function runRefusal(refused: Refused): Promise<ScenarioResult> {
  const { installed, protocol, refusal } = refused
  const door = await openDoor(behindOf(refused))
  const workDir = await mkdtemp(join(tmpdir(), 'zendo-work-'))
  try {
    const command = installed.agent.command(installed.program, {
      origin: door.origin,
      apiKey: keyOf(refused),
      product: refusal.product,
      protocol,
      model: refusal.model,
      prompt: 'Say hello.',
    })
    const startedAtMs = performance.now()
    const result = await runAgent(command, { workDir, limitMs: LIMIT_MS })
    const problems = checkRefused(refusal, { result, knocks: door.knocks, endedAtMs: startedAtMs + result.tookMs })
    const name = `${installed.agent.name} (${protocol}): ${refusal.code}`
    return { ...outcomeOf(name, result), requests: 0, charged: 0n, problems }
  } finally {
    await rm(workDir, { recursive: true, force: true })
    await door.close()
  }
}

function behindOf({ refusing, protocol, refusal: { code, told } }: Refused): Behind {
  if (told === undefined) return refusing.stage.gateway.baseUrl
  const error = new AppError(code, told.message, told)
  return (headers) => {
    const context = { requestId: `req_${randomUUID()}`, nowMs: Date.now(), profile: clientProfile(headers) }
    return encodeError(protocol, error, context)
  }
}

function keyOf({ refusing, refusal }: Refused): string {
  switch (refusal.key) {
    case 'known':
      return refusing.stage.gateway.apiKey
    case 'unknown':
      return 'sk-zendo-nobody-has-this-one'
    case 'revoked':
      return refusing.revokedKey
    case 'public':
      return 'public'
  }
}

interface Seen {
  readonly result: AgentResult
  readonly knocks: readonly Knock[]
  readonly endedAtMs: number
}

function checkRefused(refusal: RefusalCase, { result, knocks, endedAtMs }: Seen): string[] {
  const problems: string[] = []
  const [first] = knocks
  if (first === undefined) return ['the client asked nothing']
  const tookMs = endedAtMs - first.atMs
  if (knocks.length > MAX_REQUESTS) problems.push(`the client asked ${knocks.length} times in ${tookMs.toFixed(0)} ms`)
  if (tookMs > MAX_TIME_MS) problems.push(`the client went on for ${tookMs.toFixed(0)} ms`)
  if (result.exitCode === 0) problems.push('the client ended as if it had done its task')
  const refusals = knocks.map(told)
  const meant = refusals.filter(({ code }) => code === refusal.code)
  if (meant.length === 0) problems.push(`expected ${refusal.code}, was refused with ${first.status}: ${first.body}`)
  const messages = meant.map(({ message }) => message)
  if (!messages.every((message) => refusal.says.test(message))) {
    problems.push(`the refusal does not say ${refusal.says}: ${messages.join(' ')}`)
  }
  const screen = screenOf(result)
  if (!messages.some((message) => screen.includes(onOneLine(message)))) {
    problems.push(`the client does not show "${messages.join('" or "')}"`)
  }
  return problems
}

/** Google's form has the gateway's code in its details. */
function told({ body }: Knock): { code: string; message: string } {
  try {
    const { error } = JSON.parse(body)
    const code = error.details?.[0]?.metadata?.code ?? error.code
    return { code: String(code), message: String(error.message).replaceAll('\u2060', '') }
  } catch {
    return { code: 'none', message: body }
  }
}

/** What people see: no log lines, no colours, no joiners. Some agents show the body as it is, or add to the sentence. */
function screenOf({ stdout, stderr }: AgentResult): string {
  const lines = `${stdout}\n${stderr}`.split('\n').filter((line) => !/^timestamp=|^\s+at /.test(line))
  return onOneLine(lines.join(' ').replaceAll('\u2060', '').replaceAll('\\"', '"'))
}

function onOneLine(text: string): string {
  // A header carries ASCII only, and the sentence that holds it may go on where it ended.
  return text
    .replace(/[^\x20-\x7e]/g, '')
    .replace(/\s+/g, ' ')
    .replace(/\.$/, '')
}
