/** Writes the parts of a message or of a tool's output. Source: OpenAI "Create a model response" (`input`). */
import { AppError } from '../../base/errors.ts'
import type { Quirks } from '../../base/quirks.ts'
import type { Warning } from '../codec.ts'
import type { IrAudio, IrBlock, IrDocument, IrImage, IrSource, IrText } from '../ir/block.ts'
import { dataUrl } from '../translation/data-url.ts'
import type { WireObject } from '../wire-value.ts'
import type { TextType } from './decode-part.ts'
import { markOf } from './marks.ts'

export interface InputContext {
  /** The request came in this protocol: what the marks keep is written again. */
  readonly isOwn: boolean
  /** It came from a client of the same vendor, whose file ids are known there. */
  readonly knowsFiles: boolean
  readonly account: string
  readonly quirks: Quirks
  /** Says something once for all places where it is so. */
  readonly warn: (about: string, warning: Warning) => void
}

/** Null for blocks that are no part of a message, and for those that only another protocol understands. */
export function encodePart(
  block: IrBlock,
  textType: TextType,
  field: string,
  context: InputContext,
): WireObject | null {
  const part = partOf(block, textType, field, context)
  if (!part || block.type === 'opaque' || !context.isOwn) return part
  return {
    ...part,
    ...(block.cache && { prompt_cache_breakpoint: breakpointOf(block.cache.ttl) }),
    ...markOf(block.raw).part,
  }
}

function breakpointOf(ttl: string | null): WireObject {
  return { mode: 'explicit', ...(ttl !== null && { ttl }) }
}

function partOf(block: IrBlock, textType: TextType, field: string, context: InputContext): WireObject | null {
  if (block.cache && !context.isOwn) {
    const detail = 'the upstream caches by itself'
    context.warn('cache', { action: 'changed', field: `${field}.cache_control`, detail })
  }
  switch (block.type) {
    case 'text':
      return textPart(block, textType, context)
    case 'image':
      return imagePart(block, field, context)
    case 'document':
      return filePart(block, field, context)
    case 'audio':
      return audioPart(block, field)
    case 'opaque':
      if (block.protocol === 'openai-responses') return block.value
      context.warn(block.kind, { action: 'dropped', field, detail: block.kind })
      return null
    default:
      return null
  }
}

function textPart({ text, isRefusal, citations }: IrText, textType: TextType, { isOwn }: InputContext): WireObject {
  if (isRefusal && textType === 'output_text') return { type: 'refusal', refusal: text }
  return { type: textType, text, ...(isOwn && citations && { annotations: citations.map(({ raw }) => raw) }) }
}

function imagePart({ source, detail }: IrImage, field: string, context: InputContext): WireObject {
  const place = placeOf(source, 'image_url', 'image_url', field, context)
  return { type: 'input_image', ...place, ...(detail !== undefined && { detail }) }
}

function filePart({ source, name, raw }: IrDocument, field: string, context: InputContext): WireObject {
  if (source.type === 'text') return { type: 'input_text', text: name ? `${name}:\n\n${source.text}` : source.text }
  if (source.type === 'data') {
    const isBare = context.isOwn && markOf(raw).form === 'base64'
    const filename = name ?? (context.isOwn ? undefined : defaultName(source.mediaType))
    return {
      type: 'input_file',
      ...(filename !== undefined && { filename }),
      file_data: isBare ? source.data : dataUrl(source),
    }
  }
  const place = placeOf(source, 'file_data', 'file_url', field, context)
  // A name goes with data only: beside an address the vendor refuses it.
  return { type: 'input_file', ...place, ...(context.isOwn && name !== undefined && { filename: name }) }
}

/** The vendor takes no data without a name. */
function defaultName(mediaType: string): string {
  return mediaType === 'application/pdf' ? 'document.pdf' : 'document'
}

function placeOf(
  source: IrSource,
  dataMember: string,
  urlMember: string,
  field: string,
  { quirks, knowsFiles }: InputContext,
): WireObject {
  switch (source.type) {
    case 'data':
      return { [dataMember]: dataUrl(source) }
    case 'url':
      if (quirks.fileUrls ?? true) return { [urlMember]: source.url }
      throw unsupported(field, 'takes no files by address')
    case 'file-id':
      if (knowsFiles) return { file_id: source.id }
      throw unsupported(field, 'does not have files that were uploaded elsewhere')
  }
}

const AUDIO_FORMATS: ReadonlyMap<string, string> = new Map([
  ['audio/wav', 'wav'],
  ['audio/x-wav', 'wav'],
  ['audio/wave', 'wav'],
  ['audio/mp3', 'mp3'],
  ['audio/mpeg', 'mp3'],
])

function audioPart({ source }: IrAudio, field: string): WireObject {
  const format = source.type === 'data' ? AUDIO_FORMATS.get(source.mediaType) : undefined
  if (source.type !== 'data' || format === undefined) throw unsupported(field, 'takes sound as WAV or MP3 data only')
  return { type: 'input_audio', input_audio: { data: source.data, format } }
}

function unsupported(param: string, what: string): AppError {
  return new AppError('unsupported_feature', `This model ${what}.`, { param })
}
