/**
 * Where a text comes from, between Google's metadata of a candidate and citations.
 *
 * Source: Google "GroundingMetadata" (chunks that supports point to by index), "CitationMetadata".
 */
import type { IrCitation } from '../ir/block.ts'
import { asArray, asCount, asName, asObject, asText, type WireObject } from '../wire-value.ts'

/** More are nothing that anybody reads. */
const MAX_CITATIONS = 256

/** Those that have an address. */
export function citationsOf(candidate: WireObject): IrCitation[] {
  const grounding = asObject(candidate.groundingMetadata)
  const sources = asArray(grounding?.groundingChunks).map((chunk) => sourceOf(asObject(chunk)))
  const supports = asArray(grounding?.groundingSupports)
  const grounded = supports.length > 0 ? supports.flatMap((support) => supported(support, sources)) : sources
  const cited = asArray(asObject(candidate.citationMetadata)?.citations).map(quotedFrom)
  return [...grounded, ...cited].filter((citation) => citation !== null).slice(0, MAX_CITATIONS)
}

/** A chunk names its address in the member for its kind: `web`, `maps`, `retrievedContext`. */
function sourceOf(chunk: WireObject | null): IrCitation | null {
  for (const member of Object.values(chunk ?? {})) {
    const source = asObject(member)
    const url = asName(source?.uri)
    if (source && url !== null) return citation(url, asName(source.title), null, source)
  }
  return null
}

function supported(support: unknown, sources: readonly (IrCitation | null)[]): (IrCitation | null)[] {
  const wire = asObject(support)
  const segment = asObject(wire?.segment)
  return asArray(wire?.groundingChunkIndices).map((index) => {
    const source = sources[asCount(index) ?? -1]
    if (!source?.url) return null
    return citation(source.url, source.title ?? null, asText(segment?.text), {
      ...source.raw,
      ...(segment && { segment }),
    })
  })
}

function quotedFrom(wire: unknown): IrCitation | null {
  const quote = asObject(wire)
  const url = asName(quote?.uri)
  return quote && url !== null ? citation(url, asName(quote.title), null, quote) : null
}

function citation(url: string, title: string | null, text: string | null, raw: WireObject): IrCitation {
  return { protocol: 'google-generate', url, ...(title !== null && { title }), ...(text !== null && { text }), raw }
}

/** What a candidate's grounding is for these citations; null when none has an address. */
export function groundingOf(citations: readonly IrCitation[]): WireObject | null {
  const places = new Map<string, number>()
  const groundingChunks: WireObject[] = []
  const groundingSupports: WireObject[] = []
  for (const { url, title, text } of citations) {
    if (url === undefined) continue
    let place = places.get(url)
    if (place === undefined) {
      place = groundingChunks.length
      places.set(url, place)
      groundingChunks.push({ web: { uri: url, ...(title !== undefined && { title }) } })
    }
    if (text !== undefined) groundingSupports.push({ segment: { text }, groundingChunkIndices: [place] })
  }
  if (groundingChunks.length === 0) return null
  return { groundingChunks, ...(groundingSupports.length > 0 && { groundingSupports }) }
}
