/**
 * Writes tool results as messages of role `tool`. Chat has no place for images or files in them, nor a mark of failure:
 * media follow in a user message, as agents do it themselves, and a failure is told in words.
 */
import type { IrBlock, IrToolResult } from '../ir/block.ts'
import type { WireObject } from '../wire-value.ts'
import { type ChatWriter, messagePath, wireCallId } from './chat-writer.ts'
import { isPlainText } from './decode-messages.ts'
import { encodePart, encodeParts, joinTexts } from './encode-parts.ts'

export interface EncodedResults {
  readonly messages: readonly WireObject[]
  /** Parts of the user message that follows. */
  readonly attached: readonly WireObject[]
}

const ATTACHED = { type: 'text', text: 'Attached media from tool result:' }

export function encodeResults(writer: ChatWriter, blocks: readonly IrBlock[], index: number): EncodedResults {
  const messages: WireObject[] = []
  const media: WireObject[] = []
  blocks.forEach((block, i) => {
    if (block.type !== 'tool-result') return
    const path = `${messagePath(writer.request.source, index)}.content[${i}]`
    messages.push(encodeResult(writer, block, path, media))
  })
  return { messages, attached: media.length > 0 ? [ATTACHED, ...media] : [] }
}

function encodeResult(writer: ChatWriter, result: IrToolResult, path: string, media: WireObject[]): WireObject {
  const content = encodeContent(writer, result, path, media)
  if (writer.isOwn && result.raw?.role === 'function') {
    const { content: _content, ...members } = result.raw
    return { ...members, content }
  }
  const { content: _content, ...members } = writer.isOwn ? (result.raw ?? {}) : {}
  return { role: 'tool', tool_call_id: wireCallId(writer, result.id), content, ...members }
}

function encodeContent(writer: ChatWriter, result: IrToolResult, path: string, media: WireObject[]): unknown {
  const { content, raw } = result
  const takesMedia = writer.quirks.toolResultImages ?? writer.isOwn
  const [only] = content
  const isListed = writer.isOwn && Array.isArray(raw?.content)
  if (content.length === 0 && isListed) return []
  const isText = content.every((block) => block.type === 'text')
  const isString = !writer.isOwn || (content.length === 1 && only !== undefined && isPlainText(only) && !isListed)
  if (content.length === 0 || (isText && isString)) return withFailure(writer, result, joinTexts(content), path)
  if (takesMedia || isText) return encodeParts(writer, content, path)
  const texts: string[] = []
  for (const block of content) {
    const part = encodePart(writer, block, path)
    if (part?.type === 'text') texts.push(String(part.text))
    else if (part) media.push(part)
  }
  const text = texts.join('\n\n')
  return withFailure(writer, result, text === '' ? 'The result follows in the next message.' : text, path)
}

/** How a result says by itself that it failed. */
const SAYS_SO = /\b(?:error|exception|fail(?:ed|ure|s)?)\b/i
const LOOKED_AT = 200

function withFailure(writer: ChatWriter, { isError }: IrToolResult, text: string, path: string): string {
  if (!isError || SAYS_SO.test(text.slice(0, LOOKED_AT))) return text
  writer.warnOnce('is_error', { action: 'changed', field: `${path}.is_error`, detail: 'told in the text' })
  return text === '' ? 'Error' : `Error: ${text}`
}
