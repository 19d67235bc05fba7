/** Writes blocks as parts of a request's contents. Source: Google "Part", "Thought signatures". */
import { AppError } from '../../base/errors.ts'
import type { IrBlock, IrToolCall, IrToolResult } from '../ir/block.ts'
import { isNestedTooDeeply } from '../openai-chat/json-depth.ts'
import { customInputAsArguments } from '../translation/custom-tool.ts'
import { asObject, type WireObject } from '../wire-value.ts'
import { functionName } from './function-name.ts'
import { writeFunctionResponse } from './function-response.ts'
import { type IrMedia, mediaPart, withMediaType } from './media.ts'
import type { Notes } from './notes.ts'
import { withRaw } from './wire-name.ts'

export interface PartTarget {
  /** The request came in this protocol: what it said in its own words is said again. */
  readonly isOwn: boolean
  /** Quirks `fileUrls`. */
  readonly fileUrls: boolean
  /** Quirks `toolResultImages`. */
  readonly resultMedia: boolean
  readonly notes: Notes
}

/** The part of a block that is neither thinking nor a result; null when the wire has none. */
export function encodePart(block: IrBlock, path: string, target: PartTarget): WireObject | null {
  const part = plainPart(block, path, target)
  return part && target.isOwn && 'raw' in block ? withRaw(part, block.raw) : part
}

function plainPart(block: IrBlock, path: string, target: PartTarget): WireObject | null {
  const { isOwn, notes } = target
  switch (block.type) {
    case 'text':
      // Elsewhere an empty text is nothing; here it makes the request invalid.
      return block.text === '' && !isOwn ? null : { text: block.text }
    case 'image':
    case 'audio':
    case 'document':
      return encodeMedia(block, path, target)
    case 'tool-call':
      return { functionCall: encodeCall(block, path, target) }
    case 'opaque':
      if (block.protocol === 'google-generate') return block.value
      notes.dropped(path, block.kind)
      return null
    default:
      return null
  }
}

/** @throws AppError unsupported_feature for what this upstream cannot fetch */
export function encodeMedia(block: IrMedia, path: string, { isOwn, fileUrls, notes }: PartTarget): WireObject {
  const { source } = block
  if (isOwn) return mediaPart(source)
  if (source.type === 'file-id') {
    throw new AppError('unsupported_feature', 'This model cannot read files that were uploaded elsewhere.', {
      param: path,
    })
  }
  if (source.type === 'url' && !fileUrls) {
    throw new AppError('unsupported_feature', 'This model takes no images or files by address.', { param: path })
  }
  if (block.type === 'image' && block.detail !== undefined && block.detail !== 'auto') {
    notes.dropped(`${path}.detail`)
  }
  return mediaPart(withMediaType(source))
}

function encodeCall(call: IrToolCall, path: string, { isOwn, notes }: PartTarget): WireObject {
  const input = call.kind === 'custom' ? customInputAsArguments(call.input) : call.input
  let args = argumentsOf(input)
  if (args === null) {
    notes.changed(path, 'arguments that are no JSON object')
    args = { input }
  }
  return { id: call.id, name: isOwn ? call.name : functionName(call), args }
}

/** Null when the text is not the JSON of an object. */
export function argumentsOf(input: string): WireObject | null {
  if (input.trim() === '') return {}
  if (isNestedTooDeeply(input)) return null
  try {
    const value: unknown = JSON.parse(input)
    return value === null ? {} : asObject(value)
  } catch {
    return null
  }
}

export interface EncodedResult {
  readonly part: WireObject
  /** Images and files that stand behind the responses because they cannot stand in them. */
  readonly beside: readonly WireObject[]
}

export function encodeResult(result: IrToolResult, name: string, path: string, target: PartTarget): EncodedResult {
  const texts: string[] = []
  const inside: WireObject[] = []
  const beside: WireObject[] = []
  result.content.forEach((block, i) => {
    if (block.type === 'text') texts.push(block.text)
    else if (block.type === 'image' || block.type === 'document' || block.type === 'audio') {
      const part = encodeMedia(block, `${path}.content[${i}]`, target)
      const written = target.isOwn ? withRaw(part, block.raw) : part
      const fits = target.isOwn || (target.resultMedia && 'inlineData' in part)
      ;(fits ? inside : beside).push(written)
    } else target.notes.dropped(`${path}.content[${i}]`, block.type === 'opaque' ? block.kind : block.type)
  })
  const answer = { text: texts.join('\n'), isError: result.isError === true }
  const response = {
    id: result.id,
    name,
    response: writeFunctionResponse(answer),
    ...(inside.length > 0 && { parts: inside }),
  }
  const part = { functionResponse: response }
  return { part: target.isOwn ? withRaw(part, result.raw) : part, beside }
}
