/**
 * Writes messages as the items of `input`.
 *
 * Source: OpenAI "Create a model response" (`input`). Messages that came in this protocol are written as they came;
 * of others, each run of texts, images and files is one message, and all else an item of its own.
 */
import { createHash } from 'node:crypto'
import type {
  IrAudio,
  IrBlock,
  IrDocument,
  IrImage,
  IrText,
  IrThinking,
  IrToolCall,
  IrToolResult,
} from '../ir/block.ts'
import type { IrMessage } from '../ir/request.ts'
import { customInputAsArguments } from '../translation/custom-tool.ts'
import { isMintedBy } from '../translation/seal.ts'
import { flatToolName } from '../translation/tool-name.ts'
import type { WireObject } from '../wire-value.ts'
import { summaryOf } from './decode-reasoning.ts'
import { encodePart, type InputContext } from './encode-part.ts'
import { type Mark, markOf } from './marks.ts'

/** The leading system messages of a request that came in this protocol; its `instructions` are not among them. */
export function encodeSystem(system: readonly IrText[], context: InputContext): WireObject[] {
  const items: WireObject[] = []
  let run: IrText[] = []
  for (const block of system) {
    const { item } = markOf(block.raw)
    if (item && run.length > 0) items.push(messageItem('system', run, markOf(run[0]?.raw), 'input', context))
    if (item) run = []
    if (item || run.length > 0) run.push(block)
  }
  if (run.length > 0) items.push(messageItem('system', run, markOf(run[0]?.raw), 'input', context))
  return items
}

export function encodeMessages(messages: readonly IrMessage[], context: InputContext): WireObject[] {
  return messages.flatMap((message, i) => encodeMessage(message, `messages[${i}]`, context))
}

function encodeMessage(message: IrMessage, field: string, context: InputContext): WireObject[] {
  const { role, blocks, name } = message
  if (name !== undefined) context.warn('name', { action: 'dropped', field: `${field}.name` })
  const mark = context.isOwn ? markOf(message.raw) : {}
  if (mark.item && role !== 'assistant') return [messageItem(role, blocks, mark, field, context)]
  const items: WireObject[] = []
  let run: (IrText | IrImage | IrDocument | IrAudio)[] = []
  function closeRun(): void {
    if (run.length === 0) return
    const runMark = context.isOwn && role === 'assistant' ? markOf(run[0]?.raw) : {}
    items.push(messageItem(role, run, runMark, field, context))
    run = []
  }
  for (const [i, block] of blocks.entries()) {
    const place = `${field}.content[${i}]`
    if (isContent(block)) {
      if (!context.isOwn && block.type === 'text' && block.text === '') continue
      if (context.isOwn && markOf(block.raw).item) closeRun()
      if (isTaken(block, role, place, context)) run.push(block)
    } else {
      closeRun()
      for (const item of encodeItem(block, place, context)) items.push(item)
    }
  }
  closeRun()
  return items
}

/** Whether a block is a part of a message; all others are items. */
function isContent(block: IrBlock): block is IrText | IrImage | IrDocument | IrAudio {
  const { type } = block
  return type === 'text' || type === 'image' || type === 'document' || type === 'audio'
}

/** What a model said is text alone in this protocol. */
function isTaken(block: IrBlock, role: IrMessage['role'], field: string, context: InputContext): boolean {
  if (role !== 'assistant' || block.type === 'text' || context.isOwn) return true
  context.warn(`assistant ${block.type}`, { action: 'dropped', field, detail: `${block.type} of the model` })
  return false
}

function messageItem(
  role: IrMessage['role'],
  blocks: readonly IrBlock[],
  { item, form }: Mark,
  field: string,
  context: InputContext,
): WireObject {
  const textType = role === 'assistant' ? 'output_text' : 'input_text'
  const isString = form === 'string' && blocks.every((block) => block.type === 'text') && blocks.length <= 1
  const content = isString
    ? blocks.map((block) => (block as IrText).text).join('')
    : blocks.flatMap((block, i) => encodePart(block, textType, `${field}.content[${i}]`, context) ?? [])
  return { ...(!item && { type: 'message' }), role, ...item, content }
}

function encodeItem(block: IrBlock, field: string, context: InputContext): WireObject[] {
  switch (block.type) {
    case 'thinking':
      return encodeThinking(block, field, context)
    case 'redacted-thinking':
      warnOfThought(field, context)
      return []
    case 'tool-call':
      return [encodeCall(block, context)]
    case 'tool-result':
      return encodeResult(block, field, context)
    case 'opaque':
      if (block.protocol === 'openai-responses') return [block.value]
      context.warn(block.kind, { action: 'dropped', field, detail: block.kind })
      return []
    default:
      return []
  }
}

function warnOfThought(field: string, { warn }: InputContext): void {
  warn('thought', { action: 'dropped', field, detail: 'reasoning of another model' })
}

/** Reasoning without a signature is readable by vendors of open models only: it goes back as what was thought. */
function encodeThinking(block: IrThinking, field: string, context: InputContext): WireObject[] {
  const { text, signature, mint, raw } = block
  const isReadable = context.isOwn || signature !== null || !context.quirks.ownVendor
  if (!isMintedBy(mint, 'openai-responses', context.account) || !isReadable) {
    warnOfThought(field, context)
    return []
  }
  const encrypted = signature === null ? {} : { encrypted_content: signature }
  if (context.isOwn && raw) return [{ type: 'reasoning', summary: summaryOf(text), ...raw, ...encrypted }]
  if (signature !== null || context.isOwn) return [{ type: 'reasoning', summary: summaryOf(text), ...encrypted }]
  return [{ type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text }] }]
}

function encodeCall(call: IrToolCall, context: InputContext): WireObject {
  const call_id = callId(call.id)
  const { name, namespace, kind, input, raw } = call
  if (context.isOwn) {
    const members = { call_id, name, ...(namespace !== undefined && { namespace }), ...raw }
    if (kind === 'custom') return { type: 'custom_tool_call', ...members, input }
    return { type: 'function_call', ...members, arguments: input }
  }
  const flatName = flatToolName(call)
  if (kind === 'function') return { type: 'function_call', call_id, name: flatName, arguments: input }
  if (context.quirks.customTools ?? true) return { type: 'custom_tool_call', call_id, name: flatName, input }
  return { type: 'function_call', call_id, name: flatName, arguments: customInputAsArguments(input) }
}

function encodeResult(result: IrToolResult, field: string, context: InputContext): WireObject[] {
  const { kind, isError } = result
  if (isError) context.warn('isError', { action: 'dropped', field: `${field}.is_error` })
  const { item, form } = context.isOwn ? markOf(result.raw) : {}
  const isCustom = kind === 'custom' && (context.isOwn || (context.quirks.customTools ?? true))
  const isSplit = !context.isOwn && context.quirks.toolResultImages === false
  const inside = isSplit ? result.content.filter((block) => block.type === 'text') : result.content
  const outside = isSplit ? result.content.filter((block) => block.type !== 'text') : []
  const items: WireObject[] = [
    {
      type: isCustom ? 'custom_tool_call_output' : 'function_call_output',
      call_id: callId(result.id),
      ...item,
      output: outputOf(inside, form === 'parts', `${field}.content`, context),
    },
  ]
  if (outside.length > 0) items.push(messageItem('user', outside, {}, field, context))
  return items
}

/** Text alone is a string, which every server takes. */
function outputOf(content: readonly IrBlock[], isList: boolean, field: string, context: InputContext): unknown {
  const texts = content.flatMap((block) => (block.type === 'text' ? [block.text] : []))
  if (!isList && texts.length === content.length) return texts.join('\n')
  return content.flatMap((block, i) => encodePart(block, 'input_text', `${field}[${i}]`, context) ?? [])
}

const MAX_CALL_ID_LENGTH = 64

/** Longer ids (some gateways pack signatures into them) get a short one in their place, the same for call and result. */
export function callId(id: string): string {
  if (id.length <= MAX_CALL_ID_LENGTH) return id
  return `call_${createHash('sha256').update(id).digest('hex').slice(0, 40)}`
}
