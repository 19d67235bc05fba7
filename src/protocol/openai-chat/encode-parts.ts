/** Writes blocks as the content parts of a chat message. Source: OpenAI "Create chat completion". */
import { AppError } from '../../base/errors.ts'
import type { IrAudio, IrBlock, IrDocument, IrImage, IrSource, IrText } from '../ir/block.ts'
import { dataUrl } from '../translation/data-url.ts'
import type { WireObject } from '../wire-value.ts'
import type { ChatWriter } from './chat-writer.ts'
import { audioFormat } from './decode-parts.ts'

/** The part of a block; null for what stands elsewhere in a chat message or nowhere. */
export function encodePart(writer: ChatWriter, block: IrBlock, path: string): WireObject | null {
  switch (block.type) {
    case 'text':
      return withMarks(writer, block, textPart(writer, block))
    case 'image':
      return withMarks(writer, block, imagePart(writer, block, path))
    case 'document':
      return withMarks(writer, block, documentPart(writer, block, path))
    case 'audio':
      return withMarks(writer, block, audioPart(block, path))
    case 'opaque':
      if (block.protocol === 'openai-chat' && writer.isOwn) return block.value
      writer.warnOnce(`opaque ${block.kind}`, { action: 'dropped', field: path, detail: block.kind })
      return null
    default:
      return null
  }
}

/** The parts of a message; `others` are written already. */
export function encodeParts(
  writer: ChatWriter,
  blocks: readonly IrBlock[],
  path: string,
  others?: ReadonlyMap<IrBlock, WireObject>,
): WireObject[] {
  const parts: WireObject[] = []
  blocks.forEach((block, i) => {
    const part = others?.get(block) ?? encodePart(writer, block, `${path}.content[${i}]`)
    if (part) parts.push(part)
  })
  return parts
}

/** Texts with citations are pieces of one; others stand for themselves. */
export function joinTexts(blocks: readonly IrBlock[]): string {
  let joined = ''
  let before: IrText | undefined
  for (const block of blocks) {
    if (block.type !== 'text' || block.text === '') continue
    if (before) joined += before.citations || block.citations ? '' : '\n\n'
    joined += block.text
    before = block
  }
  return joined
}

/** Cache marks and unknown members are for the upstreams that a chat client knows. */
export function withMarks(
  { isOwn }: ChatWriter,
  { cache, raw }: Pick<IrText, 'cache' | 'raw'>,
  part: WireObject,
): WireObject {
  if (!isOwn || (!cache && !raw)) return part
  return { ...part, ...raw, ...(part.type !== undefined && { type: part.type }), ...encodeCache(cache) }
}

function encodeCache(cache: IrText['cache']): WireObject | undefined {
  if (!cache) return undefined
  return { cache_control: { type: 'ephemeral', ...(cache.ttl !== null && { ttl: cache.ttl }) } }
}

function textPart(writer: ChatWriter, block: IrText): WireObject {
  if (block.isRefusal && writer.isOwn) return { type: 'refusal', refusal: block.text }
  return { type: 'text', text: block.text }
}

function imagePart(writer: ChatWriter, { source, detail }: IrImage, path: string): WireObject {
  const url = addressOf(writer, source, path)
  if (url === null) throw unsupported('Images by file id cannot be sent to this model.', path)
  return {
    type: 'image_url',
    image_url: { url, ...(detail !== undefined && { detail: knownDetail(writer, detail, path) }) },
  }
}

/** `original` is OpenAI's own word: others are told the most that they know. */
function knownDetail(writer: ChatWriter, detail: string, path: string): string {
  if (detail !== 'original' || writer.isOwn || writer.quirks.ownVendor === true) return detail
  writer.warnOnce('detail', { action: 'changed', field: path, detail: 'detail is high' })
  return 'high'
}

/** A data URL or an address; null for an id. */
function addressOf(writer: ChatWriter, source: IrSource, path: string): string | null {
  if (source.type === 'data') return dataUrl(source)
  if (source.type === 'file-id') return null
  if (writer.quirks.fileUrls === false) throw unsupported('This model takes no images or files by address.', path)
  return source.url
}

function documentPart(writer: ChatWriter, { source, name }: IrDocument, path: string): WireObject {
  if (source.type === 'text') return { type: 'text', text: titled(source.text, name) }
  if (source.type === 'data' && source.mediaType.startsWith('text/') && !writer.isOwn) {
    return { type: 'text', text: titled(Buffer.from(source.data, 'base64').toString(), name) }
  }
  const filename = name ?? (writer.isOwn ? undefined : defaultName(source))
  const named = filename !== undefined && { filename }
  if (source.type === 'file-id') {
    if (!writer.isOwn) throw unsupported("Files by another vendor's id cannot be sent to this model.", path)
    return { type: 'file', file: { file_id: source.id, ...named } }
  }
  return { type: 'file', file: { file_data: addressOf(writer, source, path), ...named } }
}

function titled(text: string, name: string | undefined): string {
  return name === undefined ? text : `${name}:\n\n${text}`
}

/** OpenAI refuses file data without a name. */
function defaultName(source: IrSource): string {
  const extension = source.mediaType === undefined || source.mediaType === 'application/pdf' ? 'pdf' : 'bin'
  return `document.${extension}`
}

function audioPart({ source }: IrAudio, path: string): WireObject {
  if (source.type !== 'data') throw unsupported('Sound can be sent to this model in the request only.', path)
  return { type: 'input_audio', input_audio: { data: source.data, format: audioFormat(source.mediaType) } }
}

function unsupported(message: string, param: string): AppError {
  return new AppError('unsupported_feature', message, { param })
}
