/** The blocks of a Messages reply to and from the IR. Source: Anthropic "Create a Message" (the response's `content`). */
import type { ReplyContext } from '../codec.ts'
import type { IrBlock, IrOpaque, IrRedactedThinking, IrText, IrToolCall } from '../ir/block.ts'
import { customInputAsArguments } from '../translation/custom-tool.ts'
import { seal } from '../translation/seal.ts'
import { flatToolName } from '../translation/tool-name.ts'
import { asName, asObject, asText, type WireObject } from '../wire-value.ts'
import { readCitations } from './decode-block.ts'

const PROTOCOL = 'anthropic-messages'

/** `block`: which one of the reply it is, for an id where the wire has none. */
export function decodeReplyBlock(wire: WireObject, block: number): IrBlock {
  switch (wire.type) {
    case 'text': {
      const citations = readCitations(wire.citations)
      return { type: 'text', text: asText(wire.text) ?? '', ...(citations.length > 0 && { citations }) }
    }
    case 'thinking':
      return { type: 'thinking', text: asText(wire.thinking) ?? '', signature: asName(wire.signature), mint: null }
    case 'redacted_thinking':
      return { type: 'redacted-thinking', data: asText(wire.data) ?? '', mint: null }
    case 'tool_use': {
      const input = JSON.stringify(wire.input ?? {})
      return { type: 'tool-call', id: callId(wire, block), name: asText(wire.name) ?? '', kind: 'function', input }
    }
    default:
      return { type: 'opaque', protocol: PROTOCOL, kind: asName(wire.type) ?? 'unknown', value: wire }
  }
}

export function callId(wire: WireObject, block: number): string {
  return asName(wire.id) ?? `call_${block}`
}

/** Null for what clients of this protocol have no place for. */
export function encodeReplyBlock(block: IrBlock, context: ReplyContext): WireObject | null {
  switch (block.type) {
    case 'text':
      return block.text === '' ? null : { type: 'text', text: block.text, ...ownCitations(block) }
    case 'thinking':
      return { type: 'thinking', thinking: block.text, signature: sealedSignature(block.signature, context) ?? '' }
    case 'tool-call':
      return { type: 'tool_use', id: block.id, name: flatToolName(block), input: inputOf(block) }
    case 'redacted-thinking':
    case 'opaque':
      return encodeWholeBlock(block, context)
    case 'image':
    case 'audio':
    case 'document':
    case 'tool-result':
      return null
  }
}

/** A block that a stream has whole, too. */
export function encodeWholeBlock(block: IrRedactedThinking | IrOpaque, context: ReplyContext): WireObject | null {
  if (block.type === 'opaque') return block.protocol === PROTOCOL ? block.value : null
  const data = isOwn(context) ? block.data : seal(context.mint, 'redacted', block.data)
  return { type: 'redacted_thinking', data }
}

/** Of a thinking block: sealed, even when there is none, so that the block finds its way back. */
export function sealedSignature(signature: string | null, context: ReplyContext): string | null {
  return isOwn(context) ? signature : seal(context.mint, 'signature', signature ?? '')
}

/** An upstream of this protocol: its blocks go as they are. */
function isOwn({ mint }: ReplyContext): boolean {
  return mint.protocol === PROTOCOL
}

function ownCitations({ citations = [] }: IrText): { citations?: readonly WireObject[] } {
  const own = citations.filter(({ protocol }) => protocol === PROTOCOL)
  return own.length === 0 ? {} : { citations: own.map(({ raw }) => raw) }
}

/** Free text is the one argument of a function here. */
export function argumentsOf({ kind, input }: Pick<IrToolCall, 'kind' | 'input'>): string {
  return kind === 'custom' ? customInputAsArguments(input) : input
}

function inputOf(call: IrToolCall): WireObject {
  return parseInput(argumentsOf(call))
}

/** Arguments that were cut off are no object: `{}` then, as clients parse nothing themselves here. */
function parseInput(text: string): WireObject {
  try {
    return asObject(JSON.parse(text)) ?? {}
  } catch {
    return {}
  }
}
