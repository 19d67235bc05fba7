/**
 * The little that a relayed OpenAI-shaped body must change for a vendor that declares a quirk: the spelling of the cap,
 * the role of the system prompt, the member that reasoning comes back in. Bodies that need none of it stay as they are.
 */
import type { Quirks } from '../base/quirks.ts'
import type { Protocol } from '../base/words.ts'
import type { Warning } from './codec.ts'
import { asArray, asObject, parseJson, type WireObject } from './wire-value.ts'

const DEVELOPER = Buffer.from('"developer"')
const REASONING_CONTENT = Buffer.from('"reasoning_content"')
const CAP_FIELDS = ['max_tokens', 'max_completion_tokens'] as const

export interface AdaptedBody {
  readonly body: Buffer
  readonly warnings: readonly Warning[]
}

/** The body as this vendor takes it; the same bytes when it does already. */
export function adaptRelayedBody(protocol: Protocol, body: Buffer, quirks: Quirks): AdaptedBody {
  const isChat = protocol === 'openai-chat'
  if (!isChat && protocol !== 'openai-responses') return { body, warnings: [] }
  const otherCap =
    isChat && quirks.maxTokensField ? CAP_FIELDS.find((name) => name !== quirks.maxTokensField) : undefined
  const changesRole = quirks.systemRole === 'system' && body.includes(DEVELOPER)
  const changesCap = otherCap !== undefined && body.includes(`"${otherCap}"`)
  const changesThoughts = isChat && takesNoReasoningContent(quirks) && body.includes(REASONING_CONTENT)
  if (!changesRole && !changesCap && !changesThoughts) return { body, warnings: [] }
  const wire = asObject(parseJson(body))
  if (!wire) return { body, warnings: [] }
  const warnings: Warning[] = []
  const members: Record<string, unknown> = { ...wire }
  if (changesCap && otherCap && quirks.maxTokensField) renameCap(members, otherCap, quirks.maxTokensField)
  const list = isChat ? 'messages' : 'input'
  if (Array.isArray(wire[list])) {
    members[list] = asArray(wire[list]).map((entry, index) => {
      const message = asObject(entry)
      if (!message) return entry
      const named = changesRole && message.role === 'developer' ? { ...message, role: 'system' } : message
      return changesThoughts ? moveThoughts(named, quirks, warnings, index) : named
    })
  }
  return { body: Buffer.from(JSON.stringify(members)), warnings }
}

function takesNoReasoningContent({ reasoningField }: Quirks): boolean {
  return reasoningField === 'none' || reasoningField === 'reasoning'
}

function renameCap(members: Record<string, unknown>, from: string, to: string): void {
  if (!(from in members)) return
  members[to] ??= members[from]
  delete members[from]
}

function moveThoughts(message: WireObject, { reasoningField }: Quirks, warnings: Warning[], index: number): WireObject {
  const { reasoning_content: thoughts, ...rest } = message
  if (thoughts === undefined) return message
  if (reasoningField === 'reasoning') return { reasoning: thoughts, ...rest }
  if (thoughts && warnings.length === 0) {
    warnings.push({ action: 'dropped', field: `messages[${index}].reasoning_content` })
  }
  return rest
}
