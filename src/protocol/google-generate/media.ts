/** Images, sound and files in parts: `inlineData` (bytes) and `fileData` (an address). Source: Google "Part". */
import type { IrAudio, IrDocument, IrImage, IrSource } from '../ir/block.ts'
import { asName, asText, type WireObject } from '../wire-value.ts'

export type IrMedia = IrImage | IrAudio | IrDocument

/** Addresses that only Google itself can read. */
const VENDOR_FILE = /^(?:gs:\/\/|files\/|https:\/\/generativelanguage\.googleapis\.com\/)/

/** Null when the part's member holds no bytes. */
export function inlineSource(inline: WireObject): (IrSource & { type: 'data' }) | null {
  const mediaType = asName(inline.mimeType)
  const data = asText(inline.data)
  return mediaType === null || data === null ? null : { type: 'data', mediaType, data }
}

/** Null when it names no file. */
export function fileSource(file: WireObject): IrSource | null {
  const uri = asName(file.fileUri)
  if (uri === null) return null
  const mediaType = asName(file.mimeType)
  const named = mediaType === null ? {} : { mediaType }
  return VENDOR_FILE.test(uri) ? { type: 'file-id', id: uri, ...named } : { type: 'url', url: uri, ...named }
}

/** Video has no word of its own: it is a file. */
export function mediaBlock(source: IrSource): IrMedia {
  const mediaType = source.mediaType ?? ''
  if (mediaType.startsWith('image/')) return { type: 'image', source }
  return mediaType.startsWith('audio/') ? { type: 'audio', source } : { type: 'document', source }
}

/** The part's member for a source; what it is of is guessed from the address when nobody says it. */
export function mediaPart(source: IrMedia['source']): WireObject {
  switch (source.type) {
    case 'data':
      return { inlineData: { mimeType: source.mediaType, data: source.data } }
    case 'text':
      return { inlineData: { mimeType: source.mediaType, data: Buffer.from(source.text).toString('base64') } }
    case 'url':
      return fileData(source.url, source.mediaType)
    case 'file-id':
      return fileData(source.id, source.mediaType)
  }
}

function fileData(fileUri: string, mediaType: string | undefined): WireObject {
  return { fileData: { fileUri, ...(mediaType !== undefined && { mimeType: mediaType }) } }
}

const MEDIA_TYPES: ReadonlyMap<string, string> = new Map([
  ['png', 'image/png'],
  ['jpg', 'image/jpeg'],
  ['jpeg', 'image/jpeg'],
  ['webp', 'image/webp'],
  ['gif', 'image/gif'],
  ['heic', 'image/heic'],
  ['pdf', 'application/pdf'],
  ['mp3', 'audio/mpeg'],
  ['wav', 'audio/wav'],
  ['mp4', 'video/mp4'],
])

/** What an address of another protocol's request is of. */
export function withMediaType(source: IrMedia['source']): IrMedia['source'] {
  if (source.type !== 'url' || source.mediaType !== undefined) return source
  const extension = /\.([a-z0-9]{2,5})(?:[?#]|$)/i.exec(source.url.slice(-512))?.[1]?.toLowerCase()
  const mediaType = extension === undefined ? undefined : MEDIA_TYPES.get(extension)
  return mediaType === undefined ? source : { ...source, mediaType }
}
