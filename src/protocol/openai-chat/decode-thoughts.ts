/**
 * What an assistant message of a client brings back of earlier thinking.
 *
 * Sources: DeepSeek, Z.ai, Kimi (`reasoning_content`), OpenRouter (`reasoning`, `reasoning_details`), Google's
 * compatible endpoint (`extra_content.google.thought_signature` on calls). What Zendo sealed is opened: a signature
 * belongs to the text beside it, a bundle has its own.
 */
import type { IrThinking, Mint } from '../ir/block.ts'
import { type IrThought, unpackThoughts } from '../translation/bundle.ts'
import { openSeal, openSealBase64, type Sealed } from '../translation/seal.ts'
import { asName, asObject, asText, type WireObject } from '../wire-value.ts'
import { UNSEALED } from './decode-parts.ts'
import { factsOfDetail, isEncrypted, packEncrypted, packExtra, packFacts, textOfDetail } from './thought-detail.ts'

/** Members that are read here; those that say the same twice are kept in the message's `raw`. */
export const THOUGHT_MEMBERS = ['reasoning_content', 'reasoning', 'reasoning_details'] as const

export interface DecodedThoughts {
  readonly thoughts: readonly IrThought[]
  readonly raw: WireObject
}

interface Opened {
  readonly thoughts: readonly IrThought[]
  /** A seal without text: its text stands in `reasoning_content`. */
  readonly wantsText: boolean
  /** A sealed bundle: its text stands in `reasoning_content` as well. */
  readonly isBundle: boolean
}

/** `onCalls`: seals that stand on calls of the same message; they are read there. */
export function decodeThoughts(message: WireObject, onCalls: ReadonlySet<string>): DecodedThoughts {
  const raw: Record<string, unknown> = {}
  const details = detailsOf(message)
  if (details === null && message.reasoning_details != null) raw.reasoning_details = message.reasoning_details
  const opened = (details ?? []).map((entry) => openDetail(entry, onCalls))
  const member = asName(message.reasoning_content) !== null ? 'reasoning_content' : 'reasoning'
  const text = asName(message[member])
  const detailsHaveText = opened.some(({ thoughts, isBundle }) => !isBundle && thoughts.some(hasText))
  for (const name of ['reasoning_content', 'reasoning'] as const) {
    const value = message[name]
    if (value == null || (name === member && text !== null && !detailsHaveText)) continue
    raw[name] = value
  }
  if (text === null || detailsHaveText) return { thoughts: opened.flatMap(({ thoughts }) => thoughts), raw }
  return { thoughts: withText(opened, text, member), raw }
}

/** Null when it is no list of objects. */
function detailsOf(message: WireObject): WireObject[] | null {
  const { reasoning_details: value } = message
  if (!Array.isArray(value) || value.length === 0) return null
  const entries = value.map(asObject)
  return entries.every((entry) => entry !== null) ? (entries as WireObject[]) : null
}

function openDetail(entry: WireObject, onCalls: ReadonlySet<string>): Opened {
  const sealed = openSeal(asText(isEncrypted(entry) ? entry.data : entry.signature) ?? '')
  if (sealed) {
    if (onCalls.has(sealId(sealed))) return { thoughts: [], wantsText: false, isBundle: false }
    const thoughts = openThought(sealed)
    return { thoughts, wantsText: sealed.kind === 'signature', isBundle: sealed.kind === 'bundle' }
  }
  if (isEncrypted(entry)) {
    const thought: IrThought = { type: 'redacted-thinking', data: packEncrypted(entry), mint: UNSEALED }
    return { thoughts: [thought], wantsText: false, isBundle: false }
  }
  const text = textOfDetail(entry)
  const signature = packFacts(factsOfDetail(entry))
  const thought: IrThinking = {
    type: 'thinking',
    text,
    signature,
    mint: UNSEALED,
    raw: { member: 'reasoning_details' },
  }
  return { thoughts: [thought], wantsText: false, isBundle: false }
}

function openThought({ mint, kind, payload }: Sealed): IrThought[] {
  if (kind === 'bundle') return unpackThoughts(payload, mint)
  if (kind === 'redacted') return [{ type: 'redacted-thinking', data: payload, mint }]
  return [{ type: 'thinking', text: '', signature: payload === '' ? null : payload, mint }]
}

function hasText(thought: IrThought): boolean {
  return thought.type === 'thinking' && thought.text !== ''
}

/** Gives the text to the signature that came without one; a text that nobody signed comes first, as it was streamed. */
function withText(opened: readonly Opened[], whole: string, member: string): IrThought[] {
  const bundled = opened
    .filter(({ isBundle }) => isBundle)
    .flatMap(({ thoughts }) => thoughts)
    .map((thought) => (thought.type === 'thinking' ? thought.text : ''))
    .join('')
  const text = whole.endsWith(bundled) ? whole.slice(0, whole.length - bundled.length) : whole
  const raw = member === 'reasoning_content' ? undefined : { member }
  let isGiven = text === ''
  const thoughts = opened.flatMap(({ thoughts, wantsText }): readonly IrThought[] => {
    if (isGiven || !wantsText) return thoughts
    isGiven = true
    return thoughts.map((thought) => (thought.type === 'thinking' ? { ...thought, text } : thought))
  })
  if (isGiven) return thoughts
  return [{ type: 'thinking', text, signature: null, mint: UNSEALED, ...(raw && { raw }) }, ...thoughts]
}

/** The thought that stands on a call, or on a message. */
export function decodeExtra(extra: WireObject | null): IrThought[] {
  const signature = asName(asObject(extra?.google)?.thought_signature)
  if (extra === null || signature === null) return []
  const sealed = openSealBase64(signature)
  if (sealed) return openThought(sealed)
  return [{ type: 'thinking', text: '', signature: packExtra(extra), mint: UNSEALED }]
}

/** The seals on calls, so that the same ones in `reasoning_details` are known. */
export function sealsOnCalls(calls: readonly unknown[]): Set<string> {
  const seals = new Set<string>()
  for (const call of calls) {
    const extra = asObject(asObject(call)?.extra_content)
    const sealed = openSealBase64(asText(asObject(extra?.google)?.thought_signature) ?? '')
    if (sealed) seals.add(sealId(sealed))
  }
  return seals
}

function sealId({ mint, kind, payload }: Sealed): string {
  return `${mint.protocol} ${(mint as Mint).account ?? ''} ${kind} ${payload}`
}
