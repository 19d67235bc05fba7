/**
 * How a chat body asks for thinking, in every form that vendors take.
 *
 * Sources: OpenAI (`reasoning_effort`), DeepSeek, Z.ai, Kimi and Anthropic's compatible endpoint (`thinking`), Qwen
 * (`enable_thinking`, `thinking_budget`), OpenRouter (`reasoning`).
 */
import type { Quirks } from '../../base/quirks.ts'
import type { Protocol } from '../../base/words.ts'
import type { Warning } from '../codec.ts'
import type { IrEffort, IrReasoning } from '../ir/request.ts'
import { budgetOf, effortOf, isEffort, nearestEffort } from '../translation/reasoning.ts'
import { asObject, type WireObject } from '../wire-value.ts'

const MODES: ReadonlyMap<unknown, IrReasoning['mode']> = new Map([
  ['enabled', 'on'],
  ['disabled', 'off'],
  ['adaptive', 'adaptive'],
  ['auto', 'adaptive'],
] as const)

export interface DecodedReasoning {
  readonly reasoning: IrReasoning | null
  /** Members that were understood as a whole; the others are kept raw. */
  readonly known: readonly string[]
}

export function decodeReasoning(body: WireObject): DecodedReasoning {
  const known: string[] = []
  const found: { -readonly [K in keyof IrReasoning]: IrReasoning[K] } = {}
  const readers: Readonly<Record<string, (value: unknown) => IrReasoning | null>> = {
    reasoning_effort: (value) => (isEffort(value) ? { effort: value } : null),
    thinking: readThinking,
    reasoning: readReasoning,
    enable_thinking: (value) => (typeof value === 'boolean' ? { mode: value ? 'on' : 'off' } : null),
    thinking_budget: (value) => (Number.isInteger(value) ? { budget: value as number } : null),
  }
  for (const [member, read] of Object.entries(readers)) {
    const part = read(body[member])
    if (part === null || Object.keys(part).length === 0) continue
    known.push(member)
    // The first form that says a thing counts.
    Object.assign(found, { ...part, ...found })
  }
  return { reasoning: known.length > 0 ? found : null, known }
}

function readThinking(value: unknown): IrReasoning | null {
  const thinking = asObject(value)
  const mode = MODES.get(thinking?.type)
  if (!thinking || mode === undefined || hasOthers(thinking, ['type', 'budget_tokens'])) return null
  const { budget_tokens: budget } = thinking
  return { mode, ...(Number.isInteger(budget) && { budget: budget as number }) }
}

function readReasoning(value: unknown): IrReasoning | null {
  const reasoning = asObject(value)
  if (!reasoning || hasOthers(reasoning, ['effort', 'max_tokens', 'enabled', 'exclude'])) return null
  const { effort, max_tokens: budget, enabled, exclude } = reasoning
  return {
    ...(typeof enabled === 'boolean' && { mode: enabled ? ('on' as const) : ('off' as const) }),
    ...(isEffort(effort) && { effort }),
    ...(Number.isInteger(budget) && { budget: budget as number }),
    ...(typeof exclude === 'boolean' && { show: !exclude }),
  }
}

function hasOthers(value: WireObject, known: readonly string[]): boolean {
  return Object.keys(value).some((key) => value[key] !== null && !known.includes(key))
}

/** Where each protocol's client has said how much to think. */
const FIELDS: Readonly<Record<Protocol, string>> = {
  'openai-chat': 'reasoning_effort',
  'openai-responses': 'reasoning',
  'anthropic-messages': 'thinking',
  'google-generate': 'generationConfig.thinkingConfig',
}

interface Written {
  readonly members: WireObject
  /** What was meant otherwise. */
  readonly loss?: string | undefined
}

type Write = (reasoning: IrReasoning, quirks: Quirks) => Written

const WRITERS: Readonly<Record<NonNullable<Quirks['reasoningControl']>, Write>> = {
  effort: writeEffort,
  thinking: writeThinking,
  enable_thinking: writeEnableThinking,
  reasoning: writeReasoning,
  none: () => ({ members: {}, loss: 'this model has no control of thinking' }),
}

/** Writes the members into a body that is being built. */
export function encodeReasoning(
  reasoning: IrReasoning | null,
  { source, quirks }: { source: Protocol; quirks: Quirks },
  body: Record<string, unknown>,
): Warning[] {
  if (reasoning === null) return []
  const { reasoningControl: control } = quirks
  // A chat client knows the dialect of a vendor that nothing is declared about.
  const write = control === undefined && source === 'openai-chat' ? writeAsSaid : WRITERS[control ?? 'effort']
  const { members, loss } = write(reasoning, quirks)
  Object.assign(body, members)
  if (loss === undefined) return []
  return [{ action: Object.keys(members).length > 0 ? 'changed' : 'dropped', field: FIELDS[source], detail: loss }]
}

function writeAsSaid({ mode, effort, budget, show }: IrReasoning, quirks: Quirks): Written {
  const thinking = {
    ...(mode !== undefined && { type: { on: 'enabled', off: 'disabled', adaptive: 'adaptive' }[mode] }),
    ...(budget !== undefined && { budget_tokens: budget }),
  }
  const level = effort === undefined ? undefined : nearestEffort(effort, quirks.efforts)
  return {
    members: {
      ...(level !== undefined && { reasoning_effort: level }),
      ...(mode !== undefined && { thinking }),
      ...(mode === undefined && budget !== undefined && { thinking_budget: budget }),
      ...(show !== undefined && { reasoning: { exclude: !show } }),
    },
  }
}

function nearest(effort: IrEffort, quirks: Quirks): { level: IrEffort; loss: string | undefined } {
  const level = nearestEffort(effort, quirks.efforts)
  return { level, loss: level === effort ? undefined : `effort ${level}` }
}

function writeEffort(reasoning: IrReasoning, quirks: Quirks): Written {
  const effort = effortOf(reasoning)
  if (effort === null) return { members: {} }
  const { level, loss } = nearest(effort, quirks)
  const isBudget = reasoning.effort === undefined && reasoning.budget !== undefined && reasoning.mode !== 'off'
  return { members: { reasoning_effort: level }, loss: loss ?? (isBudget ? `effort ${level}` : undefined) }
}

/** Whether to think; how much only where efforts are declared. */
function writeThinking(reasoning: IrReasoning, quirks: Quirks): Written {
  const effort = effortOf(reasoning)
  if (effort === 'none') return { members: { thinking: { type: 'disabled' } } }
  const thinking = { type: 'enabled' }
  if (effort === null) return { members: { thinking } }
  if (!quirks.efforts) return { members: { thinking }, loss: 'thinking is on or off' }
  const { level, loss } = nearest(effort, quirks)
  const isBudget = reasoning.effort === undefined
  return { members: { thinking, reasoning_effort: level }, loss: loss ?? (isBudget ? `effort ${level}` : undefined) }
}

function writeEnableThinking(reasoning: IrReasoning): Written {
  const budget = budgetOf(reasoning)
  if (budget === 0) return { members: { enable_thinking: false } }
  return { members: { enable_thinking: true, ...(budget !== null && { thinking_budget: budget }) } }
}

/** OpenRouter takes an effort or a budget, not both. */
function writeReasoning(reasoning: IrReasoning, quirks: Quirks): Written {
  const { mode, effort, budget, show } = reasoning
  const shown = show === undefined ? undefined : { exclude: !show }
  if (effortOf(reasoning) === 'none') return { members: { reasoning: { enabled: false, ...shown } } }
  if (effort !== undefined) {
    const { level, loss } = nearest(effort, quirks)
    return { members: { reasoning: { effort: level, ...shown } }, loss }
  }
  if (budget !== undefined && budget > 0) return { members: { reasoning: { max_tokens: budget, ...shown } } }
  return { members: mode || shown ? { reasoning: { ...(mode && { enabled: true }), ...shown } } : {} }
}
