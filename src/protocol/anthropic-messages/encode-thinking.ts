/**
 * Writes how much to think, in the form that the model takes, and keeps the rules that come with thinking.
 *
 * Source: Anthropic "Extended thinking" (a budget of at least 1024 tokens below `max_tokens`; no `temperature`, no
 * `top_k`, `top_p` from 0.95 to 1, no forced tools; a turn that called tools must begin with its thinking),
 * "Adaptive thinking" (turns need not begin so) and "Effort".
 */
import type { IrEffort, IrReasoning } from '../ir/request.ts'
import { budgetOf, effortOf, nearestEffort } from '../translation/reasoning.ts'
import { SETTINGS, setAt } from '../translation/settings.ts'
import { isThought } from './encode-turns.ts'
import { fieldOf, PROTOCOL, type RequestWork, type WireDraft, type WireMessage, warn } from './encode-work.ts'

/** Into a body whose settings, `max_tokens` and `tool_choice` are there already. */
export function encodeThinking(work: RequestWork, body: WireDraft, messages: readonly WireMessage[]): void {
  const { reasoning } = work.request
  if (reasoning === null) return
  const thinking = keptTurn(work, thinkingOf(work, reasoning, body), messages)
  if (thinking) body.thinking = thinking
  if (work.isForeign && thinking !== null && thinking.type !== 'disabled') obeyThinking(work, body)
}

/** Whether the form of thinking is another than the client's own. */
export function isThinkingConverted({ request, target, isForeign }: RequestWork): boolean {
  const form = target.quirks.thinkingForm
  if (isForeign || form === undefined || request.reasoning?.mode === undefined) return false
  return FORM_MODES[form] !== request.reasoning.mode && request.reasoning.mode !== 'off'
}

const FORM_MODES = { budget: 'on', adaptive: 'adaptive', none: 'off' } as const

function thinkingOf(work: RequestWork, reasoning: IrReasoning, body: WireDraft): WireDraft | null {
  const { isForeign, target } = work
  const form = target.quirks.thinkingForm ?? (isForeign ? 'budget' : null)
  if (form === null) return asSaid(reasoning, body)
  if (form === 'none') {
    if (wantsThinking(work, reasoning)) warn(work, 'dropped', fieldOf(work, 'reasoning'), 'the model does not think')
    return null
  }
  return form === 'budget' ? asBudget(work, reasoning, body) : asAdaptive(work, reasoning, body)
}

/** What this protocol's own client said: betas change what is allowed (a budget above `max_tokens`). */
function asSaid({ mode, budget, effort, show }: IrReasoning, body: WireDraft): WireDraft | null {
  if (effort !== undefined) setAt(body, 'output_config.effort', effort)
  const display = show === undefined ? {} : { display: show ? 'summarized' : 'omitted' }
  if (mode === undefined) return show === undefined ? null : display
  if (mode === 'off') return { type: 'disabled', ...display }
  if (mode === 'adaptive') return { type: 'adaptive', ...display }
  return { type: 'enabled', ...(budget !== undefined && { budget_tokens: budget }), ...display }
}

function wantsThinking({ isForeign }: RequestWork, reasoning: IrReasoning): boolean {
  const { mode, show } = reasoning
  if (mode === 'on' || mode === 'adaptive') return true
  // An own client's effort alone is about the whole answer.
  if (!isForeign || mode === 'off') return false
  const effort = effortOf(reasoning)
  if (effort !== null) return effort !== 'none'
  return reasoning.budget !== undefined || show === true
}

function isOff({ isForeign }: RequestWork, reasoning: IrReasoning): boolean {
  return reasoning.mode === 'off' || (isForeign && effortOf(reasoning) === 'none')
}

function asBudget(work: RequestWork, reasoning: IrReasoning, body: WireDraft): WireDraft | null {
  if (isOff(work, reasoning)) return { type: 'disabled' }
  if (!work.isForeign && reasoning.effort !== undefined) warn(work, 'dropped', 'output_config.effort')
  if (!wantsThinking(work, reasoning)) return null
  const asked = budgetOf(reasoning)
  const isExact = reasoning.budget !== undefined && reasoning.budget >= 0
  if (reasoning.mode === 'adaptive') warn(work, 'changed', fieldOf(work, 'reasoning'), 'a budget of tokens')
  const budget = fitBudget(work, asked ?? budgetOf({ effort: 'medium' }) ?? MIN_BUDGET, body, isExact)
  return budget === null ? { type: 'disabled' } : { type: 'enabled', budget_tokens: budget }
}

const MIN_BUDGET = 1024
/** Of `max_tokens`, so that a model that thinks as much as it may still answers. */
const MAX_SHARE = 0.8

/** Null when `max_tokens` leaves no room for thinking. */
function fitBudget(work: RequestWork, asked: number, body: WireDraft, isExact: boolean): number | null {
  const cap = typeof body.max_tokens === 'number' ? body.max_tokens : Number.POSITIVE_INFINITY
  if (cap <= MIN_BUDGET) {
    warn(work, 'changed', fieldOf(work, 'reasoning'), `off: ${fieldOf(work, 'maxOutput')} leaves no room`)
    return null
  }
  const most = isExact ? cap - 1 : Math.max(MIN_BUDGET, Math.floor(cap * MAX_SHARE))
  const fitted = Math.min(Math.max(asked, MIN_BUDGET), most)
  if (fitted < asked || (isExact && fitted !== asked)) {
    warn(work, 'changed', fieldOf(work, 'reasoning'), `${fitted} tokens`)
  }
  return fitted
}

const EFFORTS: readonly IrEffort[] = ['low', 'medium', 'high', 'xhigh', 'max']

function asAdaptive(work: RequestWork, reasoning: IrReasoning, body: WireDraft): WireDraft | null {
  if (isOff(work, reasoning)) {
    if (!work.isForeign) writeEffort(work, reasoning.effort ?? null, body)
    return { type: 'disabled' }
  }
  writeEffort(work, effortOf(reasoning), body)
  if (reasoning.budget !== undefined && reasoning.budget >= 0) {
    warn(work, 'changed', fieldOf(work, 'reasoning'), 'an effort instead of a budget')
  }
  return wantsThinking(work, reasoning) ? { type: 'adaptive', ...displayOf(work, reasoning) } : null
}

function writeEffort(work: RequestWork, asked: IrEffort | null, body: WireDraft): void {
  if (asked === null) return
  const { efforts } = work.target.quirks
  const taken = efforts ? EFFORTS.filter((effort) => efforts.includes(effort)) : EFFORTS
  if (taken.length === 0) return
  const effort = nearestEffort(asked, taken)
  if (effort !== asked) warn(work, 'changed', fieldOf(work, 'reasoning'), effort)
  setAt(body, 'output_config.effort', effort)
}

/** Newer models show nothing unless asked to, while clients of other protocols count on seeing thoughts. */
function displayOf({ isForeign, target }: RequestWork, { show }: IrReasoning): WireDraft {
  if (!isForeign) return show === undefined ? {} : { display: show ? 'summarized' : 'omitted' }
  return target.quirks.ownVendor ? { display: show === false ? 'omitted' : 'summarized' } : {}
}

/** Thinking switched off where the turn that goes on has lost its own: Anthropic would refuse the request. */
function keptTurn(work: RequestWork, thinking: WireDraft | null, messages: readonly WireMessage[]): WireDraft | null {
  if (thinking?.type !== 'enabled' || !(work.isForeign || work.given.has('thinking'))) return thinking
  if (beginsWithThought(messages)) return thinking
  warn(work, 'changed', fieldOf(work, 'reasoning'), 'off for this turn, whose earlier thoughts are not known')
  return { type: 'disabled' }
}

/**
 * Whether the assistant's turn that the next answer goes on with begins with thinking. A turn reaches back over tool
 * results to the user's own message.
 */
function beginsWithThought(messages: readonly WireMessage[]): boolean {
  let first: WireMessage | null = null
  for (let i = messages.length - 1; i >= 0; i -= 1) {
    const message = messages[i] as WireMessage
    if (message.role === 'assistant') first = message
    else if (message.role === 'user' && !message.blocks.some(({ type }) => type === 'tool_result')) break
  }
  return first === null || isThought(first.blocks[0])
}

function obeyThinking(work: RequestWork, body: WireDraft): void {
  dropSetting(work, body, 'temperature', (value) => value === 1)
  dropSetting(work, body, 'topK', () => false)
  dropSetting(work, body, 'topP', (value) => value >= 0.95 && value <= 1)
  const choice = body.tool_choice as WireDraft | undefined
  if (choice?.type !== 'any' && choice?.type !== 'tool') return
  const { name: _name, ...rest } = choice
  body.tool_choice = { ...rest, type: 'auto' }
  warn(work, 'changed', fieldOf(work, 'toolChoice'), 'auto, as the model thinks')
}

function dropSetting(
  work: RequestWork,
  body: WireDraft,
  name: 'temperature' | 'topK' | 'topP',
  isTaken: (value: number) => boolean,
): void {
  const { place } = SETTINGS[name]
  const key = place[PROTOCOL] as string
  const value = body[key]
  if (typeof value !== 'number' || isTaken(value)) return
  delete body[key]
  warn(work, 'dropped', place[work.request.source] ?? name, 'the model thinks')
}
