/** Citations as `url_citation` annotations, with the place in the answer that they stand for. */
import type { IrCitation } from '../ir/block.ts'
import type { WireObject } from '../wire-value.ts'

export interface Annotator {
  /** A text block begins. */
  begin(block: number): void
  add(text: string): void
  /** Null when the wire has no word for the citation: it has none for what is no page. */
  annotate(block: number, citation: IrCitation): WireObject | null
}

export function createAnnotator(): Annotator {
  const begins = new Map<number, number>()
  let length = 0
  return {
    begin(block) {
      begins.set(block, length)
    },
    add(text) {
      length += text.length
    },
    annotate(block, citation) {
      if (citation.protocol === 'openai-chat') return citation.raw
      if (citation.url === undefined) return null
      const { url, title, text } = citation
      return {
        type: 'url_citation',
        url_citation: {
          url,
          title: title ?? url,
          start_index: begins.get(block) ?? 0,
          end_index: length,
          ...(text !== undefined && { content: text }),
        },
      }
    },
  }
}
