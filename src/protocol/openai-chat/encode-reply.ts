/** Writes a whole reply. Source: OpenAI "The chat completion object"; the reasoning members are those of its streams. */
import type { ReplyContext } from '../codec.ts'
import type { IrBlock, IrImage, IrText, IrThinking, IrToolCall } from '../ir/block.ts'
import type { IrReply } from '../ir/reply.ts'
import { dataUrl } from '../translation/data-url.ts'
import type { WireObject } from '../wire-value.ts'
import { type Annotator, createAnnotator } from './annotation.ts'
import { calledMembers, clientCall } from './client-call.ts'
import { chatReplyId } from './encode-stream.ts'
import { encodeChatUsage } from './encode-usage.ts'
import { encodeChatFinish } from './finish.ts'
import { createThoughtWriter, type ThoughtWriter } from './reply-thoughts.ts'
import { encodeDetail, extraOfToken } from './thought-detail.ts'

interface Message {
  readonly text: string[]
  readonly refusal: string[]
  readonly reasoning: string[]
  readonly details: WireObject[]
  readonly annotations: WireObject[]
  readonly images: WireObject[]
  readonly calls: WireObject[]
  legacyCall: WireObject | null
  extra: WireObject | null
}

export function encodeChatReply(reply: IrReply & { readonly cost: string | null }, context: ReplyContext): WireObject {
  const message = collect(reply.blocks, context)
  const hasUsage = reply.usage !== null || reply.cost !== null
  const kinds = { isLegacyCall: message.legacyCall !== null, hasRefusal: message.refusal.length > 0 }
  return {
    id: chatReplyId(context.requestId),
    object: 'chat.completion',
    created: Math.floor(context.createdAtMs / 1000),
    model: context.model,
    choices: [
      {
        index: 0,
        message: messageMembers(message),
        logprobs: null,
        finish_reason: encodeChatFinish(reply.finish?.finish ?? 'stop', kinds),
      },
    ],
    ...(hasUsage && { usage: encodeChatUsage(reply.usage, reply.cost) }),
  }
}

function messageMembers(message: Message): WireObject {
  const { text, refusal, reasoning, details, annotations, images, calls, legacyCall, extra } = message
  const isSilent = text.length === 0 && (calls.length > 0 || legacyCall !== null || refusal.length > 0)
  return {
    role: 'assistant',
    content: isSilent ? null : text.join(''),
    refusal: refusal.length > 0 ? refusal.join('') : null,
    ...(reasoning.length > 0 && { reasoning_content: reasoning.join('') }),
    ...(details.length > 0 && { reasoning_details: details }),
    ...(annotations.length > 0 && { annotations }),
    ...(images.length > 0 && { images }),
    ...(calls.length > 0 && { tool_calls: calls }),
    ...(legacyCall && { function_call: legacyCall }),
    ...(extra && { extra_content: extra }),
  }
}

interface Writer {
  readonly context: ReplyContext
  readonly message: Message
  readonly thoughts: ThoughtWriter
  readonly annotator: Annotator
  readonly isOwnDetails: boolean
}

function collect(blocks: readonly IrBlock[], context: ReplyContext): Message {
  const message: Message = {
    text: [],
    refusal: [],
    reasoning: [],
    details: [],
    annotations: [],
    images: [],
    calls: [],
    legacyCall: null,
    extra: null,
  }
  const thoughts = createThoughtWriter(context.mint)
  const isOwnDetails = hasOwnDetails(blocks, context)
  const writer: Writer = { context, message, thoughts, annotator: createAnnotator(), isOwnDetails }
  blocks.forEach((block, i) => {
    addBlock(writer, block, i)
  })
  message.extra ??= thoughts.ofMessage()
  return message
}

/** Sound and what only its own protocol understands have no place. */
function addBlock(writer: Writer, block: IrBlock, index: number): void {
  switch (block.type) {
    case 'thinking':
      addThinking(writer, block)
      return
    case 'redacted-thinking':
      writer.message.details.push(writer.thoughts.redacted(block))
      return
    case 'tool-call':
      addCall(writer, block)
      return
    case 'text':
      addText(writer, block, index)
      return
    case 'image':
      addImage(writer, block)
      return
    default:
  }
}

function addText({ message, thoughts, annotator }: Writer, block: IrText, index: number): void {
  message.extra ??= thoughts.ofMessage()
  if (block.isRefusal) {
    message.refusal.push(block.text)
    return
  }
  if (block.text !== '') message.text.push(block.text)
  annotator.begin(index)
  annotator.add(block.text)
  for (const citation of block.citations ?? []) {
    const annotation = annotator.annotate(index, citation)
    if (annotation) message.annotations.push(annotation)
  }
}

function addImage({ message }: Writer, { source }: IrImage): void {
  if (source.type === 'file-id') return
  const url = source.type === 'url' ? source.url : dataUrl(source)
  message.images.push({ type: 'image_url', image_url: { url } })
}

/** In the upstream's own form the entries hold the texts, one for each thought. */
function hasOwnDetails(blocks: readonly IrBlock[], { mint }: ReplyContext): boolean {
  if (mint.protocol !== 'openai-chat') return false
  return blocks.some((block) => block.type === 'thinking' && block.signature && !extraOfToken(block.signature))
}

function addThinking({ message, thoughts, isOwnDetails }: Writer, block: IrThinking): void {
  const { text, signature } = block
  if (text !== '') message.reasoning.push(text)
  thoughts.addText(text)
  const entry = thoughts.end(signature)
  if (isOwnDetails) message.details.push(encodeDetail({ text, token: extraOfToken(signature) ? null : signature }))
  else if (entry) message.details.push(entry)
}

function addCall({ message, thoughts, context }: Writer, block: IrToolCall): void {
  const extra = thoughts.ofCall()
  const call = clientCall(context.request, block)
  const members = calledMembers(call, block.input)
  if (call.form === 'function_call') message.legacyCall ??= members
  else message.calls.push({ id: block.id, ...members, ...(extra && { extra_content: extra }) })
}
