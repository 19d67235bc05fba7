/**
 * Reads the parts of a request's contents. Source: Google "Part", and what agents send: calls and results without ids,
 * thoughts cut into pieces as they were streamed, signatures on calls and on empty texts.
 */
import type { IrBlock, IrText, IrThinking, IrToolCall, IrToolResult } from '../ir/block.ts'
import { unpackThoughts } from '../translation/bundle.ts'
import { unknownMembers } from '../translation/raw.ts'
import { openSealBase64 } from '../translation/seal.ts'
import { asArray, asName, asObject, type WireObject } from '../wire-value.ts'
import type { CallIds } from './call-ids.ts'
import { readFunctionResponse, writeFunctionResponse } from './function-response.ts'
import { fileSource, inlineSource, mediaBlock } from './media.ts'
import { camelMembers, invalid, jsonText, jsonTextAt, nameAt, objectAt, textAt, withInner } from './wire-name.ts'

export interface PartContext {
  readonly role: 'user' | 'assistant'
  readonly ids: CallIds
}

type PartDecoder = (part: WireObject, path: string, context: PartContext) => IrBlock

const DECODERS: ReadonlyMap<string, PartDecoder> = new Map([
  ['text', decodeText],
  ['functionCall', decodeCall],
  ['functionResponse', decodeResult],
  ['inlineData', decodeInline],
  ['fileData', decodeFile],
])

/** Members that stand beside a part's content. */
const MARKS: ReadonlySet<string> = new Set([
  'thought',
  'thoughtSignature',
  'partMetadata',
  'videoMetadata',
  'mediaResolution',
  'mediaProcessing',
  'speechMetadata',
])

/** What a part is: the name of the member that holds its content; null when it holds nothing. */
export function partKind(part: WireObject): string | null {
  for (const kind of DECODERS.keys()) if (part[kind] !== undefined && part[kind] !== null) return kind
  return Object.keys(part).find((key) => !MARKS.has(key) && part[key] !== null) ?? null
}

/** The blocks of one content. @throws AppError invalid_request */
export function decodeParts(entries: readonly unknown[], path: string, context: PartContext): IrBlock[] {
  const parts = entries.map((entry, i) => {
    const part = typeof entry === 'string' ? { text: entry } : asObject(entry)
    if (!part) throw invalid(`${path}[${i}]`, 'must be an object')
    return camelMembers(part)
  })
  return context.role === 'user'
    ? parts.flatMap((part, i) => decodePart(part, `${path}[${i}]`, context) ?? [])
    : decodeModelParts(parts, path, context)
}

/** Null for a part that holds nothing. */
function decodePart(part: WireObject, path: string, context: PartContext): IrBlock | null {
  const kind = partKind(part)
  if (kind === null) return asName(part.thoughtSignature) === null ? null : { type: 'text', text: '' }
  const decoder = DECODERS.get(kind)
  return decoder ? decoder(part, path, context) : { type: 'opaque', protocol: 'google-generate', kind, value: part }
}

/** A model's parts: a signature becomes a thinking block before what it stands on. */
function decodeModelParts(parts: readonly WireObject[], path: string, context: PartContext): IrBlock[] {
  const blocks: IrBlock[] = []
  /** Where the thoughts begin that directly precede and are not signed yet. */
  let unsignedFrom = 0
  parts.forEach((part, i) => {
    if (isThought(part)) {
      if (addThought(blocks, part)) unsignedFrom = blocks.length
      return
    }
    const block = decodePart(part, `${path}[${i}]`, context)
    if (!block) return
    const signature = block.type === 'opaque' ? null : asName(part.thoughtSignature)
    if (signature !== null) sign(blocks, unsignedFrom, signature)
    if (signature === null || !isSignatureOnly(block, parts[i + 1])) blocks.push(block)
    unsignedFrom = blocks.length
  })
  return blocks
}

function isThought(part: WireObject): boolean {
  return part.thought === true && typeof part.text === 'string'
}

/** Whether the thought brought its signature itself. */
function addThought(blocks: IrBlock[], part: WireObject): boolean {
  const text = part.text as string
  const signature = asName(part.thoughtSignature)
  const raw = unknownMembers(part, THOUGHT)
  const mint = { protocol: 'google-generate', account: null } as const
  if (signature === null) {
    if (text !== '') blocks.push({ type: 'thinking', text, signature: null, mint, ...(raw && { raw }) })
    return false
  }
  const from = blocks.length
  blocks.push({ type: 'thinking', text, signature: null, mint, raw: { ...raw, [OWN_SIGNATURE]: true } })
  sign(blocks, from, signature)
  return true
}

/** In a thinking block's `raw`: its signature stands on the thought itself, not on what follows. */
export const OWN_SIGNATURE = 'hasOwnSignature'

/** Gives a signature to the thoughts from `from` on, or to a thought of no words. */
function sign(blocks: IrBlock[], from: number, signature: string): void {
  const sealed = openSealBase64(signature)
  const mint = sealed?.mint ?? { protocol: 'google-generate', account: null }
  if (sealed?.kind === 'bundle') {
    // The client shows a part of it, or nothing: what it returns is in the bundle.
    blocks.splice(from, blocks.length - from, ...unpackThoughts(sealed.payload, mint))
    return
  }
  if (sealed?.kind === 'redacted') {
    blocks.push({ type: 'redacted-thinking', data: sealed.payload, mint })
    return
  }
  for (let i = from; i < blocks.length; i++) blocks[i] = { ...(blocks[i] as IrThinking), mint }
  const payload = sealed?.payload ?? signature
  const last = from < blocks.length ? (blocks.pop() as IrThinking) : null
  blocks.push({ ...(last ?? { type: 'thinking', text: '' }), signature: payload, mint })
}

/** An empty text that only carries a signature, with nothing behind it that the signature could belong to. */
function isSignatureOnly(block: IrBlock, next: WireObject | undefined): boolean {
  if (block.type !== 'text' || block.text !== '' || block.raw) return false
  return next === undefined || isThought(next) || !DECODERS.has(partKind(next) ?? '')
}

const THOUGHT: ReadonlySet<string> = new Set(['text', 'thought', 'thoughtSignature'])

/** The part's members beside `key`; a model's signature is read elsewhere. */
function beside(part: WireObject, key: string, { role }: PartContext): WireObject | undefined {
  return unknownMembers(part, new Set(role === 'assistant' ? [key, 'thoughtSignature'] : [key]))
}

function decodeText(part: WireObject, path: string, context: PartContext): IrText {
  const text = textAt(part, 'text', `${path}.text`)
  const raw = beside(part, 'text', context)
  return { type: 'text', text, ...(raw && { raw }) }
}

const CALL: ReadonlySet<string> = new Set(['id', 'name', 'args'])

function decodeCall(part: WireObject, path: string, context: PartContext): IrToolCall {
  const at = `${path}.functionCall`
  if (context.role === 'user') throw invalid(at, 'must stand in a content of role "model"')
  const call = objectAt(part, 'functionCall', at) as WireObject
  const name = nameAt(call, 'name', `${at}.name`)
  const wireId = asName(call.id)
  const args = objectAt(call, 'args', `${at}.args`) && asObject(call.args)
  const inner = {
    ...unknownMembers(call, CALL),
    ...(wireId === null && { id: null }),
    ...(args === null && { args: null }),
  }
  const raw = withInner(beside(part, 'functionCall', context), 'functionCall', inner)
  return {
    type: 'tool-call',
    id: context.ids.ofCall(wireId, name),
    name,
    kind: 'function',
    input: args === null ? '{}' : jsonTextAt(args, `${at}.args`),
    ...(raw && { raw }),
  }
}

const RESULT: ReadonlySet<string> = new Set(['id', 'name', 'response', 'parts'])

function decodeResult(part: WireObject, path: string, context: PartContext): IrToolResult {
  const at = `${path}.functionResponse`
  if (context.role === 'assistant') throw invalid(at, 'must stand in a content of role "user"')
  const result = objectAt(part, 'functionResponse', at) as WireObject
  const wireId = asName(result.id)
  const wireName = asName(result.name)
  const id = context.ids.ofResult(wireId, wireName)
  const name = wireName ?? context.ids.nameOf(id)
  const response = asObject(result.response)
  const answer = response && readFunctionResponse(response, wireName)
  if (response && !answer) throw invalid(`${at}.response`, 'is nested too deeply')
  const inner = {
    ...unknownMembers(result, RESULT),
    ...(wireId === null && { id: null }),
    ...(wireName === null && { name: null }),
    ...(!answer && { response: null }),
    ...(answer && !isSame(writeFunctionResponse(answer), response) && { response }),
  }
  const raw = withInner(beside(part, 'functionResponse', context), 'functionResponse', inner)
  const text: IrBlock[] = answer ? [{ type: 'text', text: answer.text }] : []
  return {
    type: 'tool-result',
    id,
    ...(name !== undefined && { name }),
    kind: 'function',
    ...(answer?.isError && { isError: true }),
    content: [...text, ...decodeResultParts(result.parts, `${at}.parts`, context)],
    ...(raw && { raw }),
  }
}

function isSame(written: WireObject, came: unknown): boolean {
  const [key, ...others] = Object.keys(written)
  const response = came as WireObject
  // Text is the usual case, and need not be compared as JSON.
  if (others.length === 0 && key !== undefined && Object.keys(response).length === 1) {
    if (typeof written[key] === 'string') return written[key] === response[key]
  }
  return jsonText(written) === jsonText(came)
}

function decodeResultParts(parts: unknown, path: string, context: PartContext): IrBlock[] {
  return asArray(parts).flatMap((entry, i) => {
    const part = asObject(entry)
    if (!part) throw invalid(`${path}[${i}]`, 'must be an object')
    // Each would hold the next, without end.
    if (partKind(camelMembers(part)) === 'functionResponse') throw invalid(`${path}[${i}]`, 'must not be a response')
    return decodePart(camelMembers(part), `${path}[${i}]`, context) ?? []
  })
}

function decodeInline(part: WireObject, path: string, context: PartContext): IrBlock {
  const inline = objectAt(part, 'inlineData', `${path}.inlineData`) as WireObject
  const source = inlineSource(inline)
  if (!source) throw invalid(`${path}.inlineData`, 'must have "mimeType" and "data"')
  const inner = unknownMembers(inline, new Set(['mimeType', 'data']))
  const raw = withInner(beside(part, 'inlineData', context), 'inlineData', inner)
  return { ...mediaBlock(source), ...(raw && { raw }) }
}

function decodeFile(part: WireObject, path: string, context: PartContext): IrBlock {
  const file = objectAt(part, 'fileData', `${path}.fileData`) as WireObject
  const source = fileSource(file)
  if (!source) throw invalid(`${path}.fileData.fileUri`, 'must be a string that is not empty')
  const inner = unknownMembers(file, new Set(['fileUri', 'mimeType']))
  const raw = withInner(beside(part, 'fileData', context), 'fileData', inner)
  return { ...mediaBlock(source), ...(raw && { raw }) }
}
