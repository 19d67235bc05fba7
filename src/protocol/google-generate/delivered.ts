/** Counts what the parts of a Google candidate deliver. */
import type { Delivered } from '../event-reader.ts'
import { asArray, asObject, asText, type WireObject } from '../wire-value.ts'

/** All candidates of a reply or of a chunk. */
export function addCandidates(delivered: Delivered, candidates: unknown): void {
  for (const entry of asArray(candidates)) {
    const content = asObject(asObject(entry)?.content)
    for (const part of asArray(content?.parts)) addPart(delivered, asObject(part))
  }
}

/** Members of a part that are no output of their own. */
const MARKS: ReadonlySet<string> = new Set(['text', 'thought', 'thoughtSignature', 'functionCall', 'partMetadata'])

function addPart(delivered: Delivered, part: WireObject | null): void {
  if (!part) return
  const bytes = Buffer.byteLength(asText(part.text) ?? '')
  if (part.thought === true) delivered.reasoningBytes += bytes
  else delivered.textBytes += bytes
  const call = asObject(part.functionCall)
  if (call) addCall(delivered, call)
  if (Object.entries(part).some(([key, value]) => !MARKS.has(key) && asObject(value) !== null)) {
    delivered.hasOther = true
    delivered.textBytes += Buffer.byteLength(asText(asObject(part.executableCode)?.code) ?? '')
  }
}

function addCall(delivered: Delivered, call: WireObject): void {
  // Streamed arguments end with an empty call.
  if (Object.keys(call).length > 0) delivered.hasToolCall = true
  const args = asObject(call.args)
  if (args) delivered.textBytes += textBytes(args, 0)
  for (const entry of asArray(call.partialArgs)) {
    delivered.textBytes += Buffer.byteLength(asText(asObject(entry)?.stringValue) ?? '')
  }
}

const MAX_DEPTH = 32

/** About the size of the JSON, without writing it. */
function textBytes(value: unknown, depth: number): number {
  if (typeof value === 'string') return Buffer.byteLength(value) + 2
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return 4
  let bytes = 2
  for (const [key, member] of Object.entries(value)) {
    bytes += textBytes(member, depth + 1) + 1
    if (!Array.isArray(value)) bytes += key.length + 3
  }
  return bytes
}
