/** What chat replies hold besides text and calls: citations, images (OpenRouter) and sound. */
import type { IrAudio, IrCitation, IrImage } from '../ir/block.ts'
import { sourceOfUrl } from '../translation/data-url.ts'
import { asName, asObject, type WireObject } from '../wire-value.ts'

export function urlCitation(value: unknown): IrCitation | null {
  const raw = asObject(value)
  const cited = asObject(raw?.url_citation)
  const url = asName(cited?.url)
  if (!raw || url === null) return null
  const title = asName(cited?.title)
  const text = asName(cited?.content)
  return {
    protocol: 'openai-chat',
    url,
    ...(title !== null && { title }),
    ...(text !== null && { text }),
    raw,
  }
}

export function imageBlock(value: unknown): IrImage | null {
  const url = asName(asObject(asObject(value)?.image_url)?.url)
  return url === null ? null : { type: 'image', source: sourceOfUrl(url) }
}

/** Sound comes in pieces of base64, its words beside it. */
export interface AudioPieces {
  readonly data: string[]
  readonly transcript: string[]
  readonly members: Record<string, unknown>
}

export function addAudio(pieces: AudioPieces, { data, transcript, ...members }: WireObject): void {
  const piece = asName(data)
  const words = asName(transcript)
  if (piece !== null) pieces.data.push(piece)
  if (words !== null) pieces.transcript.push(words)
  Object.assign(pieces.members, members)
}

/** The wire does not say the format: it is the one that was asked for. */
export function audioBlock({ data, transcript, members }: AudioPieces): IrAudio | null {
  if (data.length === 0) return null
  const source = { type: 'data', mediaType: 'audio/wav', data: data.join('') } as const
  const words = transcript.join('')
  return { type: 'audio', source, raw: { ...members, ...(words !== '' && { transcript: words }) } }
}
