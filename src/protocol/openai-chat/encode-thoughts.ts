/** Writes the thinking of earlier turns into an assistant message, in the form that the upstream takes it back. */
import type { IrBlock } from '../ir/block.ts'
import type { IrMessage } from '../ir/request.ts'
import type { IrThought } from '../translation/bundle.ts'
import { isMintedBy } from '../translation/seal.ts'
import { asText, type WireObject } from '../wire-value.ts'
import { type ChatWriter, messagePath } from './chat-writer.ts'
import { encodeDetail, encodeEncrypted, extraOfToken } from './thought-detail.ts'

export interface EncodedThoughts {
  /** Members of the message. */
  readonly members: WireObject
  /** Parts of the content, at the block that they stand for (Mistral). */
  readonly parts: ReadonlyMap<IrBlock, WireObject>
  /** `extra_content` of the call that follows a signature (Google). */
  readonly extras: ReadonlyMap<IrBlock, WireObject>
}

type Field = 'reasoning_content' | 'reasoning' | 'reasoning_details' | 'content_parts' | 'none'

export function encodeThoughts(writer: ChatWriter, blocks: readonly IrBlock[], index: number): EncodedThoughts {
  const parts = new Map<IrBlock, WireObject>()
  const extras = new Map<IrBlock, WireObject>()
  const members: Record<string, unknown> = {}
  const texts = new Map<'reasoning_content' | 'reasoning', string[]>()
  const details: WireObject[] = []
  blocks.forEach((block, i) => {
    if (!isThought(block)) return
    if (!isTaken(writer, block)) {
      warnForeign(writer, block, index)
      return
    }
    const extra = block.type === 'thinking' ? extraOfToken(block.signature) : null
    const next = blocks[i + 1]
    if (extra && next?.type === 'tool-call') extras.set(next, extra)
    else if (extra) members.extra_content = extra
    const field = fieldOf(writer, block)
    const text = block.type === 'thinking' ? block.text : ''
    if (field === 'reasoning_details') {
      if (!extra || text !== '') details.push(detailOf(block))
    } else if (field === 'content_parts') {
      if (block.type === 'thinking' && (text !== '' || !extra)) parts.set(block, thinkingPart(writer, block))
    } else if (field !== 'none' && text !== '') {
      const pieces = texts.get(field)
      if (pieces) pieces.push(text)
      else texts.set(field, [text])
    }
  })
  for (const [field, pieces] of texts) members[field] = pieces.join('\n\n')
  if (details.length > 0) members.reasoning_details = details
  requireReasoning(writer, blocks, members)
  return { members, parts, extras }
}

function warnForeign(writer: ChatWriter, block: IrThought, index: number): void {
  if (block.type === 'thinking' && block.text === '' && !block.signature) return
  writer.warnOnce('thinking', {
    action: 'dropped',
    field: messagePath(writer.request.source, index),
    detail: 'reasoning of another model',
  })
}

/** What is declared counts; else a chat client's own spelling; else what most vendors take. */
function fieldOf(writer: ChatWriter, block: IrThought): Field {
  const declared = writer.quirks.reasoningField
  if (declared !== undefined) return declared
  if (block.type === 'redacted-thinking') return 'reasoning_details'
  if (!writer.isOwn) return 'reasoning_content'
  if (block.raw?.type === 'thinking') return 'content_parts'
  const member = asText(block.raw?.member)
  return member === 'reasoning' || member === 'reasoning_details' ? member : 'reasoning_content'
}

function detailOf(block: IrThought): WireObject {
  if (block.type === 'redacted-thinking') return encodeEncrypted(block.data)
  return encodeDetail({ text: block.text, token: extraOfToken(block.signature) ? null : block.signature })
}

function thinkingPart(writer: ChatWriter, block: IrThought & { type: 'thinking' }): WireObject {
  const thinking = [{ type: 'text', text: block.text }]
  const signature = block.signature && !extraOfToken(block.signature) ? { signature: block.signature } : undefined
  const cache = writer.isOwn && block.cache
  return {
    type: 'thinking',
    thinking,
    ...signature,
    ...(writer.isOwn && block.raw?.type === 'thinking' && block.raw),
    ...(cache && { cache_control: { type: 'ephemeral', ...(cache.ttl !== null && { ttl: cache.ttl }) } }),
  }
}

/** DeepSeek and Kimi refuse a turn that called tools without its reasoning, be it empty. */
function requireReasoning(writer: ChatWriter, blocks: readonly IrBlock[], members: Record<string, unknown>): void {
  const field = writer.quirks.reasoningField ?? 'reasoning_content'
  if (!writer.quirks.reasoningRequired || (field !== 'reasoning_content' && field !== 'reasoning')) return
  if (blocks.some((block) => block.type === 'tool-call')) members[field] ??= ''
}

/**
 * The members of a chat client's message without a word in the IR. Those that say its reasoning a second time are for
 * an upstream that nothing is declared of, and go when the reasoning goes.
 */
export function thoughtRaw(writer: ChatWriter, { raw, blocks }: IrMessage): WireObject {
  const { role: _role, content: _content, ...members } = raw ?? {}
  const isForeign = blocks.some((block) => isThought(block) && !isTaken(writer, block))
  if (writer.quirks.reasoningField === undefined && !isForeign) return members
  const { reasoning_content: _reasoningContent, reasoning: _reasoning, reasoning_details: _details, ...rest } = members
  return rest
}

function isThought(block: IrBlock): block is IrThought {
  return block.type === 'thinking' || block.type === 'redacted-thinking'
}

function isTaken(writer: ChatWriter, { mint }: IrThought): boolean {
  return isMintedBy(mint, 'openai-chat', writer.target.account)
}
