/** Reads the parts of a message or of a tool's output. Source: OpenAI "Create a model response" (`input`). */
import { AppError } from '../../base/errors.ts'
import type { IrBlock, IrCacheMark, IrSource, IrText } from '../ir/block.ts'
import { sourceOfUrl } from '../translation/data-url.ts'
import { unknownMembers } from '../translation/raw.ts'
import { asArray, asName, asObject, asText, type WireObject } from '../wire-value.ts'
import { citationOf } from './decode-citation.ts'
import { rawOf } from './marks.ts'

/** How a part of text is called where it stands. */
export type TextType = 'input_text' | 'output_text'

type Decoder = (part: WireObject, path: string, textType: TextType) => IrBlock

const DECODERS: ReadonlyMap<unknown, Decoder> = new Map<unknown, Decoder>([
  ['input_text', decodeText],
  ['output_text', decodeText],
  ['text', decodeText],
  ['refusal', decodeRefusal],
  ['input_image', decodeImage],
  ['input_file', decodeFile],
  ['input_audio', decodeAudio],
])

export function decodePart(value: unknown, path: string, textType: TextType): IrBlock {
  const part = asObject(value)
  if (!part) throw invalid(path, 'must be an object')
  const decode = DECODERS.get(part.type)
  if (decode) return decode(part, path, textType)
  if (typeof part.type !== 'string') throw invalid(`${path}.type`, 'is missing')
  return { type: 'opaque', protocol: 'openai-responses', kind: part.type, value: part }
}

/** A string is a single text. */
export function decodeContent(value: unknown, path: string, textType: TextType): IrBlock[] {
  if (typeof value === 'string') return value === '' ? [] : [{ type: 'text', text: value }]
  if (!Array.isArray(value)) throw invalid(path, 'must be a string or a list')
  return value.map((part, i) => decodePart(part, `${path}[${i}]`, textType))
}

export function invalid(param: string, fault: string): AppError {
  return new AppError('invalid_request', `"${param}" ${fault}.`, { param })
}

const TEXT_MEMBERS = new Set(['type', 'text', 'annotations', 'prompt_cache_breakpoint'])
const REFUSAL_MEMBERS = new Set(['type', 'refusal'])
const IMAGE_MEMBERS = new Set(['type', 'image_url', 'file_id', 'detail', 'prompt_cache_breakpoint'])
const FILE_MEMBERS = new Set(['type', 'file_data', 'file_url', 'file_id', 'filename', 'prompt_cache_breakpoint'])
const AUDIO_MEMBERS = new Set(['type', 'input_audio'])

function decodeText(part: WireObject, path: string, textType: TextType): IrText {
  const text = asText(part.text)
  if (text === null) throw invalid(`${path}.text`, 'must be a string')
  const citations = asArray(part.annotations).flatMap((entry) => {
    const annotation = asObject(entry)
    return annotation ? [citationOf(annotation)] : []
  })
  const rest = {
    ...(part.type !== textType && { type: part.type }),
    ...(Array.isArray(part.annotations) && citations.length === 0 && { annotations: [] }),
    ...unknownMembers(part, TEXT_MEMBERS),
  }
  return { type: 'text', text, ...(citations.length > 0 && { citations }), ...cacheOf(part), ...partRaw(rest) }
}

function decodeRefusal(part: WireObject, path: string): IrText {
  const text = asText(part.refusal)
  if (text === null) throw invalid(`${path}.refusal`, 'must be a string')
  return { type: 'text', text, isRefusal: true, ...partRaw(unknownMembers(part, REFUSAL_MEMBERS)) }
}

function decodeImage(part: WireObject, path: string): IrBlock {
  // Some clients send chat's form of the address.
  const url = asName(part.image_url) ?? asName(asObject(part.image_url)?.url)
  const source = url === null ? fileId(part) : sourceOfUrl(url)
  if (!source) throw invalid(`${path}.image_url`, 'is missing')
  const detail = asName(part.detail)
  return {
    type: 'image',
    source,
    ...(detail !== null && { detail }),
    ...cacheOf(part),
    ...partRaw(unknownMembers(part, IMAGE_MEMBERS)),
  }
}

function decodeFile(part: WireObject, path: string): IrBlock {
  const name = asName(part.filename)
  const data = asName(part.file_data)
  const url = asName(part.file_url)
  const isBare = data !== null && !data.startsWith('data:')
  let source: IrSource | null = fileId(part)
  if (data !== null) source = isBare ? { type: 'data', mediaType: mediaTypeOf(name), data } : sourceOfUrl(data)
  else if (url !== null) source = { type: 'url', url }
  if (!source) throw invalid(path, 'holds no file')
  const rest = unknownMembers(part, FILE_MEMBERS)
  return {
    type: 'document',
    source,
    ...(name !== null && { name }),
    ...cacheOf(part),
    ...rawOf({ part: rest, form: isBare ? 'base64' : undefined }),
  }
}

function mediaTypeOf(name: string | null): string {
  return name === null || /\.pdf$/i.test(name) ? 'application/pdf' : 'application/octet-stream'
}

function decodeAudio(part: WireObject, path: string): IrBlock {
  const audio = asObject(part.input_audio)
  const data = asName(audio?.data)
  if (data === null) throw invalid(`${path}.input_audio`, 'holds no data')
  const mediaType = `audio/${asName(audio?.format) ?? 'wav'}`
  return {
    type: 'audio',
    source: { type: 'data', mediaType, data },
    ...partRaw(unknownMembers(part, AUDIO_MEMBERS)),
  }
}

function fileId(part: WireObject): IrSource | null {
  const id = asName(part.file_id)
  return id === null ? null : { type: 'file-id', id }
}

function cacheOf(part: WireObject): { cache?: IrCacheMark } {
  const mark = asObject(part.prompt_cache_breakpoint)
  return mark ? { cache: { ttl: asName(mark.ttl) } } : {}
}

function partRaw(rest: WireObject | undefined): { raw?: WireObject } {
  return rest && Object.keys(rest).length > 0 ? rawOf({ part: rest }) : {}
}
