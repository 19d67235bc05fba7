/** Reads a reasoning item that a client sends back. Source: OpenAI "Reasoning" (`encrypted_content`, `summary`). */
import type { IrBlock } from '../ir/block.ts'
import { unpackThoughts } from '../translation/bundle.ts'
import { unknownMembers } from '../translation/raw.ts'
import { openSeal, type Sealed } from '../translation/seal.ts'
import { asArray, asName, asObject, type WireObject } from '../wire-value.ts'
import { SEPARATOR, textsOf } from './decode-item.ts'

const MEMBERS = new Set(['type', 'encrypted_content', 'summary'])

/** One block, except for a sealed bundle, which may hold several. */
export function decodeReasoning(item: WireObject): IrBlock[] {
  const summary = textsOf(item.summary)
  const text = (summary.length > 0 ? summary : textsOf(item.content)).join(SEPARATOR)
  const signature = asName(item.encrypted_content)
  const sealed = signature === null ? null : openSeal(signature)
  if (sealed) return unseal(sealed, text)
  const isPlain = isRebuilt(item.summary, text)
  const raw = { ...unknownMembers(item, MEMBERS), ...(!isPlain && { summary: asArray(item.summary) }) }
  return [
    {
      type: 'thinking',
      text,
      signature,
      mint: { protocol: 'openai-responses', account: null },
      ...(Object.keys(raw).length > 0 && { raw }),
    },
  ]
}

/** The item around a seal was made for the client: the upstream that signed knows neither its id nor its form. */
function unseal({ mint, kind, payload }: Sealed, text: string): IrBlock[] {
  switch (kind) {
    case 'signature':
      return [{ type: 'thinking', text, signature: asName(payload), mint }]
    case 'redacted':
      return [{ type: 'redacted-thinking', data: payload, mint }]
    case 'bundle':
      return unpackThoughts(payload, mint)
  }
}

/** Whether the summary is just what `summaryOf` makes of the text. */
function isRebuilt(summary: unknown, text: string): boolean {
  const [part, ...others] = asArray(summary)
  if (others.length > 0) return false
  if (part === undefined) return text === ''
  const wire = asObject(part)
  return wire?.type === 'summary_text' && wire.text === text && text !== '' && Object.keys(wire).length === 2
}

export function summaryOf(text: string): WireObject[] {
  return text === '' ? [] : [{ type: 'summary_text', text }]
}
