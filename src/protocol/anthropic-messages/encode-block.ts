/** Writes the blocks of one IR message as Messages content. Source: Anthropic "Create a Message", "Vision", "PDF support". */
import { AppError } from '../../base/errors.ts'
import type {
  IrBlock,
  IrDocument,
  IrImage,
  IrOpaque,
  IrRedactedThinking,
  IrSource,
  IrText,
  IrThinking,
  IrToolCall,
  IrToolResult,
} from '../ir/block.ts'
import type { IrMessage } from '../ir/request.ts'
import { isNestedTooDeeply } from '../openai-chat/json-depth.ts'
import { customInputAsArguments } from '../translation/custom-tool.ts'
import { isMintedBy } from '../translation/seal.ts'
import { flatToolName } from '../translation/tool-name.ts'
import { asObject, type WireObject } from '../wire-value.ts'
import { fieldOf, PROTOCOL, type RequestWork, type WireDraft, warn, warnOnce, withCommon } from './encode-work.ts'

/** Where a block stands. */
interface Place {
  readonly role: IrMessage['role']
  /** `messages[3].content[0]` */
  readonly path: string
  /** Images of tool results, for upstreams that take them in the message only. */
  readonly beside: WireDraft[]
}

/** @throws AppError unsupported_feature */
export function encodeBlocks(work: RequestWork, message: IrMessage, index: number): WireDraft[] {
  const path = `${fieldOf(work, 'messages')}[${index}]`
  const beside: WireDraft[] = []
  const drafts: WireDraft[] = []
  message.blocks.forEach((block, i) => {
    const draft = encodeBlock(work, block, { role: message.role, path: `${path}.content[${i}]`, beside })
    if (draft) drafts.push(draft)
  })
  return [...drafts, ...beside]
}

/** Null for what is not sent. */
function encodeBlock(work: RequestWork, block: IrBlock, place: Place): WireDraft | null {
  switch (block.type) {
    case 'text':
      return encodeText(work, block, place.path)
    case 'image':
      return isOutOfPlace(work, block, place) ? null : encodeImage(work, block, place)
    case 'document':
      return isOutOfPlace(work, block, place) ? null : encodeDocument(work, block, place)
    case 'audio':
      if (isOutOfPlace(work, block, place)) return null
      throw unsupported('This model takes no sound.', place.path)
    case 'thinking':
      return encodeThought(work, block, place, { type: 'thinking', thinking: block.text, ...signed(block) })
    case 'redacted-thinking':
      return encodeThought(work, block, place, { type: 'redacted_thinking', data: block.data })
    case 'tool-call':
      return encodeToolCall(work, block, place)
    case 'tool-result':
      return encodeToolResult(work, block, place)
    case 'opaque':
      return encodeOpaque(work, block, place)
  }
}

function unsupported(message: string, param: string): AppError {
  return new AppError('unsupported_feature', message, { param })
}

/** Models of this protocol give texts and calls only, and refuse to have given more. */
function isOutOfPlace(work: RequestWork, block: IrBlock, { role, path }: Place): boolean {
  if (role !== 'assistant' || !work.isForeign) return false
  warn(work, 'dropped', path, `${block.type} of the model`)
  return true
}

/** Blank texts are refused. */
export function encodeText(work: RequestWork, block: IrText, path: string): WireDraft | null {
  if (work.isForeign && block.text.trim() === '') return null
  const own = block.citations?.filter((citation) => citation.protocol === PROTOCOL)
  if (block.citations && own && own.length < block.citations.length) {
    warnOnce(work, 'citations', 'dropped', `${path}.annotations`)
  }
  const hasCitations = own !== undefined && (own.length > 0 || !work.isForeign)
  const draft = { type: 'text', text: block.text, ...(hasCitations && { citations: own.map(({ raw }) => raw) }) }
  return withCommon(work, draft, block, path)
}

function encodeImage(work: RequestWork, block: IrImage, { path }: Place): WireDraft {
  return withCommon(work, { type: 'image', source: encodeSource(work, block.source, path) }, block, path)
}

function encodeSource(work: RequestWork, source: IrSource, path: string): WireObject {
  switch (source.type) {
    case 'data':
      return { type: 'base64', media_type: source.mediaType, data: source.data }
    case 'url':
      if (work.target.quirks.fileUrls === false) throw unsupported('This model takes no files by address.', path)
      if (!/^https?:/i.test(source.url)) throw unsupported('This model takes files by https address only.', path)
      return { type: 'url', url: source.url }
    case 'file-id':
      if (work.isForeign) throw unsupported("This model's vendor does not have the file with this id.", path)
      return { type: 'file', file_id: source.id }
  }
}

function encodeDocument(work: RequestWork, block: IrDocument, { path }: Place): WireDraft {
  const { name } = block
  const draft = {
    type: 'document',
    source: documentSource(work, block.source, path),
    ...(name !== undefined && { title: name }),
  }
  return withCommon(work, draft, block, path)
}

/** Files that are text, whatever their type says of the kind. */
const TEXT_TYPE = /^text\/|[/+](json|xml|yaml|x-yaml|javascript|toml|x-sh)$/

function documentSource(work: RequestWork, source: IrDocument['source'], path: string): WireObject {
  if (source.type === 'text') {
    const mediaType = work.isForeign ? 'text/plain' : source.mediaType
    return { type: 'text', media_type: mediaType, data: source.text }
  }
  if (source.type !== 'data' || !work.isForeign || source.mediaType === 'application/pdf') {
    return encodeSource(work, source, path)
  }
  if (!TEXT_TYPE.test(source.mediaType)) throw unsupported('This model takes PDF and text files only.', path)
  return { type: 'text', media_type: 'text/plain', data: Buffer.from(source.data, 'base64').toString() }
}

function signed({ signature }: IrThinking): { signature?: string } {
  return signature === null ? {} : { signature }
}

function encodeThought(
  work: RequestWork,
  block: IrThinking | IrRedactedThinking,
  { path }: Place,
  draft: WireDraft,
): WireDraft | null {
  if (isMintedBy(block.mint, PROTOCOL, work.target.account)) return withCommon(work, draft, block, path)
  warnOnce(work, 'thinking', 'dropped', path, 'thoughts of another model')
  return null
}

function encodeToolCall(work: RequestWork, block: IrToolCall, { path }: Place): WireDraft {
  const text = block.kind === 'custom' ? customInputAsArguments(block.input) : block.input
  const draft = { type: 'tool_use', id: block.id, name: flatToolName(block), input: parseInput(work, text, path) }
  return withCommon(work, draft, block, path)
}

function parseInput(work: RequestWork, text: string, path: string): unknown {
  try {
    const input: unknown = isNestedTooDeeply(text) ? null : JSON.parse(text === '' ? '{}' : text)
    if (!work.isForeign || asObject(input)) return input
  } catch {
    // Arguments that were cut off.
  }
  warn(work, 'changed', path, 'arguments that are no JSON object')
  return {}
}

function encodeToolResult(work: RequestWork, block: IrToolResult, place: Place): WireDraft {
  const content: WireDraft[] = []
  block.content.forEach((part, i) => {
    const draft = encodeBlock(work, part, { ...place, role: 'user', path: `${place.path}.content[${i}]` })
    if (draft) content.push(draft)
  })
  const kept = work.target.quirks.toolResultImages === false ? withoutImages(work, content, place) : content
  const isError = block.isError === true || (block.isError === false && !work.isForeign)
  const draft = {
    type: 'tool_result',
    tool_use_id: block.id,
    content: shortContent(kept, block.isError === true && work.isForeign),
    ...(isError && { is_error: block.isError }),
  }
  return withCommon(work, draft, block, place.path)
}

/** A lone text stands as a string, as most clients have it. Nothing is allowed, but not for an error. */
function shortContent(content: readonly WireDraft[], mustSay: boolean): string | readonly WireDraft[] {
  const [first] = content
  if (!first) return mustSay ? 'The tool failed and said nothing.' : ''
  const isPlain = content.length === 1 && first.type === 'text' && Object.keys(first).length === 2
  return isPlain ? (first.text as string) : content
}

function withoutImages(work: RequestWork, content: readonly WireDraft[], { path, beside }: Place): WireDraft[] {
  const isImage = ({ type }: WireDraft): boolean => type === 'image'
  if (!content.some(isImage)) return [...content]
  warn(work, 'changed', path, 'images follow the tool results')
  for (const part of content) if (isImage(part)) beside.push(part)
  return [...content.filter((part) => !isImage(part)), { type: 'text', text: 'The images follow below.' }]
}

function encodeOpaque(work: RequestWork, block: IrOpaque, { path }: Place): WireDraft | null {
  if (block.protocol === PROTOCOL) {
    return withCommon(work, { ...block.value }, block.cache ? { cache: block.cache } : {}, path)
  }
  warnOnce(work, `opaque:${block.kind}`, 'dropped', path, block.kind)
  return null
}
