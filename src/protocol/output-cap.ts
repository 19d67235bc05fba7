/**
 * The cap on output in a body that is about to be sent: put lower where less can be paid for, and how low it may go.
 *
 * Sources: OpenAI "Create chat completion" (`max_completion_tokens`, the older `max_tokens`) and "Create a model
 * response" (`max_output_tokens`, at least 16), Anthropic "Extended thinking" (`budget_tokens` below `max_tokens`),
 * OpenRouter "Reasoning tokens" (`reasoning.max_tokens` below `max_tokens`), Google "GenerationConfig".
 */
import type { Quirks } from '../base/quirks.ts'
import type { Protocol } from '../base/words.ts'
import { type Span, scanTopLevel } from './json-scan.ts'
import { parseJson } from './wire-value.ts'

/** Put `text` in the place of the bytes of the span. */
interface Edit extends Span {
  readonly text: string
}

interface CapNames {
  /** Every spelling under which a client may give it. */
  readonly known: readonly string[]
  /** The one that the upstream takes. */
  readonly own: string
}

/**
 * The body with its cap on output at most `cap` (tokens of one answer, at least 1), every other byte as it was. A cap
 * that is missing, null or 0 (vendors differ in what they make of that) becomes `cap`; a lower one stays.
 *
 * The body is one that `readRequest` has accepted. @throws AppError invalid_request for a key that is given twice
 */
export function capOutput(protocol: Protocol, body: Buffer, cap: number, quirks: Quirks = {}): Buffer {
  if (!Number.isInteger(cap) || cap < 1) throw new Error(`a cap of ${cap} tokens`)
  const edits = protocol === 'google-generate' ? googleEdits(body, cap) : edit(body, capNames(protocol, quirks), cap)
  return edits.length === 0 ? body : apply(body, edits)
}

function capNames(protocol: Exclude<Protocol, 'google-generate'>, { maxTokensField }: Quirks): CapNames {
  switch (protocol) {
    case 'openai-chat':
      return { known: ['max_tokens', 'max_completion_tokens'], own: maxTokensField ?? 'max_tokens' }
    case 'openai-responses':
      return { known: ['max_output_tokens'], own: 'max_output_tokens' }
    case 'anthropic-messages':
      return { known: ['max_tokens'], own: 'max_tokens' }
  }
}

/** The edits that put the cap into an object; none when all that it gives are low enough. */
function edit(object: Buffer, { known, own }: CapNames, cap: number): Edit[] {
  const { values, closeAt, isEmpty } = scanTopLevel(object, known)
  const given = [...values.values()].filter((span) => !isNull(object, span))
  if (given.length > 0) {
    return given.filter((span) => !isLowEnough(object, span, cap)).map((span) => ({ ...span, text: String(cap) }))
  }
  const empty = values.get(own)
  return [empty ? { ...empty, text: String(cap) } : insertion(closeAt, isEmpty, own, String(cap))]
}

function insertion(closeAt: number, isEmpty: boolean, name: string, value: string): Edit {
  return { start: closeAt, end: closeAt, text: `${isEmpty ? '' : ','}"${name}":${value}` }
}

const CONFIGS = ['generationConfig', 'generation_config'] as const
const SNAKE_CAPS: CapNames = { known: ['maxOutputTokens', 'max_output_tokens'], own: 'max_output_tokens' }
const CAPS: CapNames = { ...SNAKE_CAPS, own: 'maxOutputTokens' }

/** A cap that is put in is spelled as the object around it. */
function googleEdits(body: Buffer, cap: number): Edit[] {
  const { values, closeAt, isEmpty } = scanTopLevel(body, CONFIGS)
  const name = CONFIGS.find((spelling) => values.has(spelling)) ?? CONFIGS[0]
  const names = name === 'generationConfig' ? CAPS : SNAKE_CAPS
  const span = values.get(name)
  const alone = `{"${names.own}":${cap}}`
  if (!span) return [insertion(closeAt, isEmpty, name, alone)]
  if (isNull(body, span)) return [{ ...span, text: alone }]
  return edit(body.subarray(span.start, span.end), names, cap).map(({ start, end, text }) => ({
    start: span.start + start,
    end: span.start + end,
    text,
  }))
}

function apply(body: Buffer, edits: readonly Edit[]): Buffer {
  const pieces: Uint8Array[] = []
  let at = 0
  for (const { start, end, text } of edits.toSorted((a, b) => a.start - b.start)) {
    pieces.push(body.subarray(at, start), Buffer.from(text))
    at = end
  }
  pieces.push(body.subarray(at))
  return Buffer.concat(pieces)
}

const NULL_START = 0x6e
const OBJECT_START = 0x7b

function isNull(bytes: Buffer, span: Span): boolean {
  return bytes[span.start] === NULL_START
}

function isLowEnough(bytes: Buffer, { start, end }: Span, cap: number): boolean {
  const value = parseJson(bytes, start, end)
  return typeof value === 'number' && value > 0 && value <= cap
}

/** OpenAI refuses less. */
const LEAST_RESPONSES_CAP = 16

/**
 * The lowest cap on output with which an upstream still takes this body, in tokens of one answer. What has to fit under
 * the cap (a budget of thinking) is not made smaller: a request that cannot pay for it is better refused.
 *
 * @throws AppError invalid_request for a key that is given twice
 */
export function smallestCap(protocol: Protocol, body: Buffer): number {
  // Most bodies have no budget, and a word is found sooner than a member. One that is spelled with escapes is missed: its
  // vendor refuses it then.
  if (protocol !== 'openai-responses' && !BUDGET_WORDS[protocol].some((word) => body.includes(word))) return 1
  switch (protocol) {
    case 'openai-chat':
      return aboveBudgets(body, CHAT_PLACES)
    case 'openai-responses':
      return LEAST_RESPONSES_CAP
    case 'anthropic-messages':
      return aboveBudgets(body, MESSAGES_PLACES)
    case 'google-generate':
      return googleBudget(body)
  }
}

const BUDGET_WORDS: Readonly<Record<Exclude<Protocol, 'openai-responses'>, readonly string[]>> = {
  'openai-chat': ['"budget_tokens"', '"reasoning"'],
  'anthropic-messages': ['"budget_tokens"'],
  'google-generate': ['"thinkingBudget"', '"thinking_budget"'],
}

/** Where a body has its cap, and budgets of thinking that must be below it. */
interface Places {
  readonly caps: readonly string[]
  readonly budgets: readonly (readonly [object: string, member: string])[]
}

const MESSAGES_PLACES: Places = { caps: ['max_tokens'], budgets: [['thinking', 'budget_tokens']] }
const CHAT_PLACES: Places = {
  caps: ['max_tokens', 'max_completion_tokens'],
  budgets: [...MESSAGES_PLACES.budgets, ['reasoning', 'max_tokens']],
}

/** One more than the budget; 1 where none is given, or where the cap is below it already (interleaved thinking). */
function aboveBudgets(body: Buffer, { caps, budgets }: Places): number {
  const { values } = scanTopLevel(body, [...caps, ...budgets.map(([object]) => object)])
  const given = caps.flatMap((name) => numberAt(body, values.get(name)) ?? [])
  const least = budgets.map(([object, member]) => {
    const budget = numberIn(body, values.get(object), [member]) ?? 0
    return budget < 1 || given.some((cap) => cap > 0 && cap <= budget) ? 1 : budget + 1
  })
  return Math.max(...least)
}

function googleBudget(body: Buffer): number {
  const { values } = scanTopLevel(body, CONFIGS)
  const config = objectAt(body, values.get('generationConfig') ?? values.get('generation_config'))
  if (!config) return 1
  const inner = scanTopLevel(config, [...CAPS.known, 'thinkingConfig', 'thinking_config']).values
  const thinking = inner.get('thinkingConfig') ?? inner.get('thinking_config')
  const budget = numberIn(config, thinking, ['thinkingBudget', 'thinking_budget']) ?? 0
  const given = CAPS.known.flatMap((name) => numberAt(config, inner.get(name)) ?? [])
  return budget < 1 || given.some((cap) => cap > 0 && cap < budget) ? 1 : budget
}

function objectAt(bytes: Buffer, span: Span | undefined): Buffer | null {
  return span && bytes[span.start] === OBJECT_START ? bytes.subarray(span.start, span.end) : null
}

/** A number of the object at the span, under the first of its spellings that is there. */
function numberIn(bytes: Buffer, span: Span | undefined, spellings: readonly string[]): number | null {
  const object = objectAt(bytes, span)
  if (!object) return null
  const { values } = scanTopLevel(object, spellings)
  const name = spellings.find((spelling) => values.has(spelling))
  return name === undefined ? null : numberAt(object, values.get(name))
}

function numberAt(bytes: Buffer, span: Span | undefined): number | null {
  const value = span && parseJson(bytes, span.start, span.end)
  return typeof value === 'number' ? Math.ceil(value) : null
}
