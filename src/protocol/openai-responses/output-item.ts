/** Counts what a whole output item of the Responses API delivers. */
import type { Delivered } from '../event-reader.ts'
import { asArray, asObject, asText, type WireObject } from '../wire-value.ts'

type Adder = (delivered: Delivered, item: WireObject) => void

/** Every other type is something that the vendor's own tools did. */
const ADDERS: ReadonlyMap<unknown, Adder> = new Map([
  ['message', addMessage],
  ['reasoning', addReasoning],
  ['function_call', addCall],
  ['custom_tool_call', addCall],
])

export function addOutputItem(delivered: Delivered, item: WireObject | null): void {
  if (!item) return
  const add = ADDERS.get(item.type)
  if (add) add(delivered, item)
  else delivered.hasOther = true
}

function addMessage(delivered: Delivered, item: WireObject): void {
  for (const entry of asArray(item.content)) {
    const part = asObject(entry)
    const refusal = byteLength(part?.refusal)
    delivered.refusalBytes += refusal
    delivered.textBytes += refusal + byteLength(part?.text)
  }
}

function addReasoning(delivered: Delivered, item: WireObject): void {
  for (const entry of [...asArray(item.summary), ...asArray(item.content)]) {
    delivered.reasoningBytes += byteLength(asObject(entry)?.text)
  }
}

function addCall(delivered: Delivered, item: WireObject): void {
  delivered.hasToolCall = true
  delivered.textBytes += byteLength(item.arguments) + byteLength(item.input)
}

function byteLength(value: unknown): number {
  return Buffer.byteLength(asText(value) ?? '')
}
