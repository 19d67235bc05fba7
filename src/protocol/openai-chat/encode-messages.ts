/** Writes the conversation as chat messages. Source: OpenAI "Create chat completion"; what vendors differ in is declared. */
import type { IrBlock, IrText, IrToolCall } from '../ir/block.ts'
import type { IrMessage } from '../ir/request.ts'
import { customInputAsArguments } from '../translation/custom-tool.ts'
import { flatToolName } from '../translation/tool-name.ts'
import { asObject, asText, type WireObject } from '../wire-value.ts'
import { type ChatWriter, messagePath, wireCallId } from './chat-writer.ts'
import { isPlainText } from './decode-messages.ts'
import { encodePart, encodeParts, joinTexts, withMarks } from './encode-parts.ts'
import { encodeResults } from './encode-results.ts'
import { encodeSystem, systemRole } from './encode-system.ts'
import { encodeThoughts, thoughtRaw } from './encode-thoughts.ts'
import { takesCustomTools } from './encode-tools.ts'

/** `notes`: sentences of the gateway's for the system prompt. */
export function encodeMessages(writer: ChatWriter, notes: readonly string[]): WireObject[] {
  const wire = encodeSystem(writer, notes)
  writer.request.messages.forEach((message, index) => {
    if (message.role === 'assistant') addAssistant(writer, message, index, wire)
    else if (message.role === 'user') addUser(writer, message, index, wire)
    else addSystem(writer, message, index, wire)
  })
  return wire
}

/** In the middle of the conversation. */
function addSystem(writer: ChatWriter, message: IrMessage, index: number, wire: WireObject[]): void {
  const content = contentOf(writer, message, index)
  if (content.length === 0 && !writer.isOwn) return
  wire.push(withOwn(writer, message, { role: systemRole(writer, message.raw), content }))
}

/** The members that the message has besides role and content. */
function withOwn(writer: ChatWriter, message: IrMessage, wire: WireObject): WireObject {
  const name = message.name === undefined ? undefined : { name: message.name }
  if (!writer.isOwn || !message.raw) return { ...wire, ...name }
  return { ...thoughtRaw(writer, message), ...wire, ...name }
}

function addUser(writer: ChatWriter, message: IrMessage, index: number, wire: WireObject[]): void {
  const rest = message.blocks.filter((block) => block.type !== 'tool-result')
  const { messages, attached } = encodeResults(writer, message.blocks, index)
  for (const result of messages) wire.push(result)
  if (attached.length > 0) wire.push({ role: 'user', content: attached })
  if (rest.length === 0 && message.blocks.length > 0) return
  const content = contentOf(writer, { ...message, blocks: rest }, index)
  // What held nothing that this protocol knows is no message.
  if (content.length > 0 || writer.isOwn) wire.push(withOwn(writer, message, { role: 'user', content }))
}

/** A text alone is a string, unless the client wrote a list. */
function contentOf(writer: ChatWriter, { blocks, raw, role }: IrMessage, index: number): string | WireObject[] {
  const [only] = blocks
  const isListed = writer.isOwn && Array.isArray(raw?.content)
  if (blocks.length === 0) return isListed ? [] : ''
  if (!writer.isOwn && role === 'system') return joinTexts(blocks)
  if (blocks.length === 1 && only?.type === 'text' && !isListed && (!writer.isOwn || isPlainText(only))) {
    return only.text
  }
  // Most vendors refuse parts without text.
  const shown = writer.isOwn ? blocks : blocks.filter((block) => block.type !== 'text' || block.text !== '')
  return encodeParts(writer, shown, messagePath(writer.request.source, index))
}

function addAssistant(writer: ChatWriter, message: IrMessage, index: number, wire: WireObject[]): void {
  const { blocks } = message
  const thoughts = encodeThoughts(writer, blocks, index)
  const refusal = blocks.find((block) => isRefusalMember(writer, block)) as IrText | undefined
  const said = blocks.filter((block) => block !== refusal && block.type !== 'tool-call')
  const content = assistantContent(writer, message, said, index, thoughts.parts)
  const tool_calls: WireObject[] = []
  let function_call: WireObject | undefined
  for (const block of blocks) {
    if (block.type !== 'tool-call') continue
    if (writer.isOwn && block.raw?.type === 'function_call') function_call = legacyCall(block)
    else tool_calls.push(encodeCall(writer, block, thoughts.extras.get(block)))
  }
  const hasMore = tool_calls.length > 0 || function_call !== undefined || refusal !== undefined
  // What remains of a turn that only thought is no message.
  if (content === null && !hasMore && !writer.isOwn) return
  const written = {
    role: 'assistant',
    content: content ?? (hasMore ? null : ''),
    ...thoughts.members,
    ...(refusal && { refusal: refusal.text }),
    ...(tool_calls.length > 0 && { tool_calls }),
    ...(function_call && { function_call }),
  }
  wire.push(withOwn(writer, message, written))
}

/** The refusal beside the content, as a chat client sent it; elsewhere a refusal is text. */
function isRefusalMember({ isOwn }: ChatWriter, block: IrBlock): boolean {
  return isOwn && block.type === 'text' && block.isRefusal === true && block.raw?.type !== 'refusal'
}

/** Null when there is none. */
function assistantContent(
  writer: ChatWriter,
  message: IrMessage,
  said: readonly IrBlock[],
  index: number,
  thoughtParts: ReadonlyMap<IrBlock, WireObject>,
): string | WireObject[] | null {
  const shown = said.filter((block) => thoughtParts.has(block) || !isThought(block))
  if (shown.length === 0) {
    if (!writer.isOwn || message.raw?.content === undefined) return null
    return message.raw.content === '' ? '' : []
  }
  if (thoughtParts.size > 0) {
    const path = messagePath(writer.request.source, index)
    return encodeParts(writer, shown, path, thoughtParts)
  }
  if (writer.isOwn) return contentOf(writer, { ...message, blocks: shown }, index)
  return plainContent(writer, shown, index)
}

function isThought(block: IrBlock): boolean {
  return block.type === 'thinking' || block.type === 'redacted-thinking'
}

/** Most vendors take strings only in what a model has said. */
function plainContent(writer: ChatWriter, shown: readonly IrBlock[], index: number): string | null {
  for (const block of shown) {
    const path = messagePath(writer.request.source, index)
    if (block.type === 'opaque') encodePart(writer, block, path)
    else if (block.type !== 'text') writer.warnOnce(block.type, { action: 'dropped', field: path, detail: block.type })
    else if (block.citations) writer.warnOnce('citations', { action: 'dropped', field: path, detail: 'citations' })
  }
  const text = joinTexts(shown)
  return text === '' ? null : text
}

function encodeCall(writer: ChatWriter, block: IrToolCall, extra: WireObject | undefined): WireObject {
  const { function: inFunction, custom: inCustom, ...outer } = writer.isOwn ? (block.raw ?? {}) : {}
  const name = flatToolName(block)
  const isCustom = block.kind === 'custom' && takesCustomTools(writer)
  const input = block.kind === 'custom' && !isCustom ? customInputAsArguments(block.input) : block.input
  const called = isCustom
    ? { type: 'custom', custom: { name, input, ...asObject(inCustom) } }
    : { type: 'function', function: { name, arguments: input, ...asObject(inFunction) } }
  const call = { id: wireCallId(writer, block.id), ...called, ...(extra && { extra_content: extra }) }
  return withMarks(writer, { ...(block.cache && { cache: block.cache }), raw: outer }, call)
}

function legacyCall({ name, input, raw }: IrToolCall): WireObject {
  const { type: _type, ...rest } = raw ?? {}
  return { name, arguments: asText(input) ?? '{}', ...rest }
}
