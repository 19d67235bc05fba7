/**
 * Reads the content blocks of a Messages request.
 *
 * Source: Anthropic "Create a Message" with its betas, and captured requests of agents. A block of a type that is not
 * known here (server tools, search results, container uploads) stays whole: only this protocol understands it.
 */
import { AppError } from '../../base/errors.ts'
import type { IrBlock, IrCacheMark, IrCitation, IrDocument, IrSource, Mint } from '../ir/block.ts'
import { jsonText } from '../openai-chat/json-depth.ts'
import { unpackThoughts } from '../translation/bundle.ts'
import { unknownMembers } from '../translation/raw.ts'
import { openSeal } from '../translation/seal.ts'
import { asArray, asName, asObject, asText, type WireObject } from '../wire-value.ts'

/** What an earlier part of the conversation tells about a later one. */
export interface BlockContext {
  /** Names of the tools that were called, by the id of the call. */
  readonly toolNames: Map<string, string>
}

const PROTOCOL = 'anthropic-messages'
const OWN_MINT: Mint = { protocol: PROTOCOL, account: null }

type BlockReader = (block: WireObject, path: string, context: BlockContext) => IrBlock[] | null

/** A reader gives null for what it cannot put into the IR's words: the block then stays whole. */
const READERS: ReadonlyMap<string, BlockReader> = new Map<string, BlockReader>([
  ['text', readText],
  ['image', readImage],
  ['document', readDocument],
  ['thinking', readThinking],
  ['redacted_thinking', readRedacted],
  ['tool_use', readToolUse],
  ['tool_result', readToolResult],
])

/** The blocks of `content`: a string, a list of blocks, or nothing. @throws AppError invalid_request */
export function decodeContent(content: unknown, path: string, context: BlockContext): IrBlock[] {
  if (content === undefined || content === null || content === '') return []
  if (typeof content === 'string') return [{ type: 'text', text: content }]
  if (!Array.isArray(content)) throw invalid(path, 'must be a string or a list of blocks')
  return content.flatMap((entry, i) => decodeBlock(entry, `${path}[${i}]`, context))
}

function decodeBlock(entry: unknown, path: string, context: BlockContext): IrBlock[] {
  const block = asObject(entry)
  const type = asName(block?.type)
  if (!block || type === null) throw invalid(path, 'must be a block with a type')
  return READERS.get(type)?.(block, path, context) ?? [opaque(type, block)]
}

function invalid(path: string, what: string): AppError {
  return new AppError('invalid_request', `"${path}" ${what}.`, { param: path })
}

function opaque(kind: string, block: WireObject): IrBlock {
  const { cache_control: mark, ...value } = block
  const cache = readCacheMark(mark)
  if (!cache) return { type: 'opaque', protocol: PROTOCOL, kind, value: block }
  return { type: 'opaque', protocol: PROTOCOL, kind, value, cache }
}

/** Null when there is none. */
export function readCacheMark(value: unknown): IrCacheMark | null {
  const mark = asObject(value)
  return mark && { ttl: asName(mark.ttl) }
}

const MARK_MEMBERS = new Set(['type', 'ttl'])

/** The cache mark of a block or tool, and the members that the IR has no word for. */
export function commonMembers(
  value: WireObject,
  known: ReadonlySet<string>,
): { readonly cache?: IrCacheMark; readonly raw?: WireObject } {
  const cache = readCacheMark(value.cache_control)
  const unknown = unknownMembers(value, known)
  const isOddMark = cache !== null && unknownMembers(value.cache_control as WireObject, MARK_MEMBERS) !== undefined
  const raw = isOddMark ? { ...unknown, cache_control: value.cache_control } : unknown
  return { ...(cache && { cache }), ...(raw && { raw }) }
}

const TEXT_MEMBERS = new Set(['type', 'text', 'cache_control', 'citations'])

function readText(block: WireObject, path: string): IrBlock[] {
  const text = asText(block.text)
  if (text === null) throw invalid(`${path}.text`, 'must be a string')
  const citations = Array.isArray(block.citations) ? readCitations(block.citations) : null
  return [{ type: 'text', text, ...(citations && { citations }), ...commonMembers(block, TEXT_MEMBERS) }]
}

/** Entries that are no objects are left out. */
export function readCitations(value: unknown): IrCitation[] {
  return asArray(value).flatMap((entry) => {
    const raw = asObject(entry)
    return raw ? [readCitation(raw)] : []
  })
}

export function readCitation(raw: WireObject): IrCitation {
  const url = asName(raw.url) ?? asName(raw.source)
  const title = asName(raw.title) ?? asName(raw.document_title)
  const text = asName(raw.cited_text)
  return {
    protocol: PROTOCOL,
    ...(url !== null && { url }),
    ...(title !== null && { title }),
    ...(text !== null && { text }),
    raw,
  }
}

/** Of an image or document; null when it is of a kind that is not known. */
function readSource(value: unknown): IrSource | null {
  const source = asObject(value)
  if (!source) return null
  const mediaType = asName(source.media_type)
  const [data, url, id] = [asText(source.data), asText(source.url), asText(source.file_id)]
  if (source.type === 'base64' && data !== null && mediaType !== null) return { type: 'data', mediaType, data }
  if (source.type === 'url' && url !== null) return { type: 'url', url }
  return source.type === 'file' && id !== null ? { type: 'file-id', id } : null
}

const IMAGE_MEMBERS = new Set(['type', 'source', 'cache_control'])

function readImage(block: WireObject): IrBlock[] | null {
  const source = readSource(block.source)
  return source && [{ type: 'image', source, ...commonMembers(block, IMAGE_MEMBERS) }]
}

const DOCUMENT_MEMBERS = new Set(['type', 'source', 'title', 'cache_control'])

function readDocument(block: WireObject): IrBlock[] | null {
  const source = readSource(block.source) ?? readTextSource(block.source)
  if (!source) return null
  const name = asName(block.title)
  const { cache, raw } = commonMembers(block, DOCUMENT_MEMBERS)
  // Blocks inside a document are told to other protocols as its text, and come back as they were to this one.
  const rest = asObject(block.source)?.type === 'content' ? { ...raw, source: block.source } : raw
  return [
    { type: 'document', source, ...(name !== null && { name }), ...(cache && { cache }), ...(rest && { raw: rest }) },
  ]
}

function readTextSource(value: unknown): IrDocument['source'] | null {
  const source = asObject(value)
  const data = asText(source?.data)
  if (source?.type === 'text' && data !== null) {
    return { type: 'text', mediaType: asName(source.media_type) ?? 'text/plain', text: data }
  }
  if (source?.type !== 'content') return null
  const { content } = source
  const texts = typeof content === 'string' ? [content] : asArray(content).map((part) => asText(asObject(part)?.text))
  return { type: 'text', mediaType: 'text/plain', text: texts.filter((text) => text !== null).join('\n') }
}

const THINKING_MEMBERS = new Set(['type', 'thinking', 'signature'])

function readThinking(block: WireObject): IrBlock[] {
  const text = asText(block.thinking) ?? ''
  const signature = asName(block.signature)
  const sealed = signature === null ? null : openSeal(signature)
  const { raw } = commonMembers(block, THINKING_MEMBERS)
  if (!sealed) return [{ type: 'thinking', text, signature, mint: OWN_MINT, ...(raw && { raw }) }]
  const { mint, kind, payload } = sealed
  if (kind === 'bundle') return unpackThoughts(payload, mint)
  if (kind === 'redacted') return [{ type: 'redacted-thinking', data: payload, mint }]
  return [{ type: 'thinking', text, signature: asName(payload), mint, ...(raw && { raw }) }]
}

const REDACTED_MEMBERS = new Set(['type', 'data'])

function readRedacted(block: WireObject): IrBlock[] {
  const data = asText(block.data) ?? ''
  const sealed = openSeal(data)
  const { raw } = commonMembers(block, REDACTED_MEMBERS)
  if (sealed?.kind === 'bundle') return unpackThoughts(sealed.payload, sealed.mint)
  return [
    { type: 'redacted-thinking', data: sealed?.payload ?? data, mint: sealed?.mint ?? OWN_MINT, ...(raw && { raw }) },
  ]
}

const TOOL_USE_MEMBERS = new Set(['type', 'id', 'name', 'input', 'cache_control'])

function readToolUse(block: WireObject, path: string, { toolNames }: BlockContext): IrBlock[] {
  const name = asName(block.name)
  if (name === null) throw invalid(`${path}.name`, 'must be the name of a tool')
  const id = asName(block.id) ?? `call_${toolNames.size}`
  toolNames.set(id, name)
  const input = jsonText(block.input ?? {})
  if (input === '') throw invalid(`${path}.input`, 'is nested too deeply')
  return [{ type: 'tool-call', id, name, kind: 'function', input, ...commonMembers(block, TOOL_USE_MEMBERS) }]
}

/** A result within a result means nothing, and would have no end. */
const MAX_NESTED = 8
const TOOL_RESULT_MEMBERS = new Set(['type', 'tool_use_id', 'content', 'is_error', 'cache_control'])

function readToolResult(block: WireObject, path: string, context: BlockContext): IrBlock[] {
  const id = asName(block.tool_use_id)
  if (id === null) throw invalid(`${path}.tool_use_id`, 'must be the id of a tool call')
  const name = context.toolNames.get(id)
  if (path.split('.content', MAX_NESTED + 2).length > MAX_NESTED + 1) throw invalid(path, 'is nested too deeply')
  return [
    {
      type: 'tool-result',
      id,
      ...(name !== undefined && { name }),
      kind: 'function',
      ...(typeof block.is_error === 'boolean' && { isError: block.is_error }),
      content: decodeContent(block.content, `${path}.content`, context),
      ...commonMembers(block, TOOL_RESULT_MEMBERS),
    },
  ]
}
