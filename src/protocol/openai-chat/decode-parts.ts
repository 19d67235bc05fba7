/**
 * The content parts of a chat message. Source: OpenAI "Create chat completion" (`text`, `image_url`, `input_audio`,
 * `file`, `refusal`), OpenRouter and others (`cache_control` on parts), Mistral (`thinking` parts).
 */
import { AppError } from '../../base/errors.ts'
import type { IrBlock, IrCacheMark, IrSource, Mint } from '../ir/block.ts'
import { sourceOfUrl } from '../translation/data-url.ts'
import { unknownMembers } from '../translation/raw.ts'
import { asArray, asName, asObject, asText, type WireObject } from '../wire-value.ts'

/** What a client sends back without a seal was made by some upstream of this protocol. */
export const UNSEALED: Mint = { protocol: 'openai-chat', account: null }

export function invalid(path: string, need: string): AppError {
  return new AppError('invalid_request', `"${path}" must be ${need}.`, { param: path })
}

type PartDecoder = (part: WireObject, path: string) => IrBlock

const PARTS: ReadonlyMap<string, PartDecoder> = new Map([
  ['text', onText],
  ['input_text', onText],
  ['output_text', onText],
  ['refusal', onRefusal],
  ['image_url', onImage],
  ['input_audio', onAudio],
  ['file', onFile],
  ['thinking', onThinking],
])

/** The blocks of a `content`: of a string, a list of parts or nothing. @throws AppError invalid_request */
export function decodeContent(content: unknown, path: string): IrBlock[] {
  if (content === null || content === undefined || content === '') return []
  if (typeof content === 'string') return [{ type: 'text', text: content }]
  if (!Array.isArray(content)) throw invalid(path, 'a string or a list of parts')
  return content.map((part, i) => decodePart(part, `${path}[${i}]`))
}

function decodePart(value: unknown, path: string): IrBlock {
  if (typeof value === 'string') return { type: 'text', text: value }
  const part = asObject(value)
  const type = asName(part?.type)
  if (!part || !type) throw invalid(`${path}.type`, 'a string')
  const decode = PARTS.get(type)
  if (decode) return decode(part, path)
  return { type: 'opaque', protocol: 'openai-chat', kind: type, value: part }
}

/** The mark of an object that a client may mark for the cache, and the members without a word. */
export function marksOf(value: WireObject, known: readonly string[]): { cache?: IrCacheMark; raw?: WireObject } {
  const cache = cacheMark(value.cache_control)
  const raw = unknownMembers(value, new Set([...known, 'type', ...(cache ? ['cache_control'] : [])]))
  return { ...(cache && { cache }), ...(raw && { raw }) }
}

function cacheMark(value: unknown): IrCacheMark | null {
  const mark = asObject(value)
  if (mark?.type !== 'ephemeral') return null
  return { ttl: asName(mark.ttl) }
}

function onText(part: WireObject, path: string): IrBlock {
  const text = asText(part.text)
  if (text === null) throw invalid(`${path}.text`, 'a string')
  return { type: 'text', text, ...marksOf(part, ['text']) }
}

/** A refusal that stands among the parts; `message.refusal` has no raw. */
function onRefusal(part: WireObject, path: string): IrBlock {
  const text = asText(part.refusal)
  if (text === null) throw invalid(`${path}.refusal`, 'a string')
  const { cache, raw } = marksOf(part, ['refusal'])
  return { type: 'text', text, isRefusal: true, ...(cache && { cache }), raw: { ...raw, type: 'refusal' } }
}

function onImage(part: WireObject, path: string): IrBlock {
  const image = asObject(part.image_url)
  const url = asName(image?.url) ?? asName(part.image_url)
  if (url === null) throw invalid(`${path}.image_url.url`, 'an address or a data URL')
  const detail = asName(image?.detail)
  return {
    type: 'image',
    source: sourceOfUrl(url),
    ...(detail !== null && { detail }),
    ...marksOf(part, ['image_url']),
  }
}

const AUDIO_TYPES: ReadonlyMap<string, string> = new Map([
  ['mp3', 'audio/mpeg'],
  ['wav', 'audio/wav'],
])

function onAudio(part: WireObject, path: string): IrBlock {
  const audio = asObject(part.input_audio)
  const data = asText(audio?.data)
  if (data === null) throw invalid(`${path}.input_audio.data`, 'base64 text')
  const format = asName(audio?.format) ?? 'wav'
  const source: IrSource = { type: 'data', mediaType: AUDIO_TYPES.get(format) ?? `audio/${format}`, data }
  return { type: 'audio', source, ...marksOf(part, ['input_audio']) }
}

export function audioFormat(mediaType: string): string {
  const known = [...AUDIO_TYPES].find(([, type]) => type === mediaType)
  return known?.[0] ?? mediaType.slice(mediaType.indexOf('/') + 1)
}

function onFile(part: WireObject, path: string): IrBlock {
  const file = asObject(part.file)
  const source = fileSource(file)
  if (source === null) throw invalid(`${path}.file`, 'an object with "file_data" or "file_id"')
  const name = asName(file?.filename)
  return { type: 'document', source, ...(name !== null && { name }), ...marksOf(part, ['file']) }
}

function fileSource(file: WireObject | null): IrSource | null {
  const data = asName(file?.file_data)
  const id = asName(file?.file_id)
  if (data === null) return id === null ? null : { type: 'file-id', id }
  if (/^(?:data|https?):/i.test(data)) return sourceOfUrl(data)
  // Some clients leave the prefix of the data URL out.
  return { type: 'data', mediaType: 'application/pdf', data }
}

/** Mistral's: a list of text parts within a part. What is not exactly one plain text is kept as it stood. */
function onThinking(part: WireObject): IrBlock {
  const inner = asArray(part.thinking)
  const text = typeof part.thinking === 'string' ? part.thinking : textOfThinking(part)
  const only = inner.length === 1 ? asObject(inner[0]) : null
  const isPlain = only?.type === 'text' && only.text === text && Object.keys(only).length === 2
  const signature = asName(part.signature)
  const { cache, raw } = marksOf(part, isPlain ? ['thinking', 'signature'] : ['signature'])
  return {
    type: 'thinking',
    text,
    signature,
    mint: UNSEALED,
    ...(cache && { cache }),
    raw: { ...raw, type: 'thinking' },
  }
}

export function textOfThinking(part: WireObject): string {
  if (typeof part.thinking === 'string') return part.thinking
  return asArray(part.thinking)
    .map((entry) => asText(asObject(entry)?.text) ?? asText(entry) ?? '')
    .join('')
}
