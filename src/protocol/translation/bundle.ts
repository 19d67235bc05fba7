/** Thinking blocks packed into one text, for clients whose protocol returns a signature but not what it signs. */
import type { IrRedactedThinking, IrThinking, Mint } from '../ir/block.ts'
import { asArray, asObject, asText } from '../wire-value.ts'

export type IrThought = IrThinking | IrRedactedThinking

/** Base64 of JSON, to be sealed as `bundle`. */
export function packThoughts(thoughts: readonly IrThought[]): string {
  const packed = thoughts.map((thought) =>
    thought.type === 'thinking' ? { t: thought.text, s: thought.signature } : { r: thought.data },
  )
  return Buffer.from(JSON.stringify(packed)).toString('base64')
}

/** What cannot be read gives no blocks. */
export function unpackThoughts(payload: string, mint: Mint): IrThought[] {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(payload, 'base64').toString())
  } catch {
    return []
  }
  return asArray(value).flatMap((entry): IrThought[] => {
    const packed = asObject(entry)
    const data = asText(packed?.r)
    if (data !== null) return [{ type: 'redacted-thinking', data, mint }]
    const text = asText(packed?.t)
    return text === null ? [] : [{ type: 'thinking', text, signature: asText(packed?.s), mint }]
  })
}
