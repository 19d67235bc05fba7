/** Reads annotations of a text. Source: OpenAI "ResponseOutputText" (`url_citation`, `file_citation` and others). */
import type { IrCitation } from '../ir/block.ts'
import { asName, type WireObject } from '../wire-value.ts'

export function citationOf(annotation: WireObject): IrCitation {
  const url = asName(annotation.url)
  const title = asName(annotation.title) ?? asName(annotation.filename)
  return {
    protocol: 'openai-responses',
    ...(url !== null && { url }),
    ...(title !== null && { title }),
    raw: annotation,
  }
}
