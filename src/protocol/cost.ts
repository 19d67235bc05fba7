/** Puts the exact charge into the usage object of a relayed reply, for clients that ask by `x-zendo-include: cost`. */
import type { Protocol } from '../base/words.ts'
import type { SseBlock } from './sse.ts'
import { asObject, parseJson, type WireObject } from './wire-value.ts'

/** Where each protocol has its usage: in the whole reply, or in an event of a stream. */
const USAGE_PATHS: Readonly<Record<Protocol, readonly (readonly string[])[]>> = {
  'openai-chat': [['usage']],
  'openai-responses': [['response', 'usage'], ['usage']],
  'anthropic-messages': [['usage']],
  'google-generate': [['usageMetadata']],
}

const CHAT_USAGE = Buffer.from('"usage"')
const MESSAGE_DELTA = Buffer.from('message_delta')

/**
 * Whether an event may be the last one with usage. Responses has it in the terminal event and Google in the one that is
 * kept back anyway.
 */
export function hasClosingUsage(protocol: Protocol, block: SseBlock): boolean {
  if (protocol === 'openai-chat') return holdsUsage(block, CHAT_USAGE)
  return protocol === 'anthropic-messages' && holdsUsage(block, MESSAGE_DELTA)
}

function holdsUsage(block: SseBlock, marker: Buffer): boolean {
  const data = block.data.subarray(block.dataStart, block.dataEnd)
  return data.includes(marker) && asObject(asObject(parseJson(data))?.usage) !== null
}

/** The whole reply with the charge in it; the same bytes when it has no usage. */
export function addCostToReply(protocol: Protocol, body: Buffer, cost: string): Buffer {
  const changed = withCost(protocol, asObject(parseJson(body)), cost)
  return changed ? Buffer.from(JSON.stringify(changed)) : body
}

const DATA_LINE = /^(\s*data: ?|[\s,[]*)(\{.*\})([\s\]]*)$/s

/** The same for one event of a stream, or for an element of an array. */
export function addCost(protocol: Protocol, event: Buffer, cost: string): Buffer {
  const text = event.toString()
  const dataAt = text.search(/(?:^|\n)data:/)
  const head = dataAt > 0 ? text.slice(0, dataAt + 1) : ''
  const match = DATA_LINE.exec(text.slice(head.length))
  if (!match) return event
  const changed = withCost(protocol, asObject(parseJson(Buffer.from(match[2] as string))), cost)
  return changed ? Buffer.from(`${head}${match[1]}${JSON.stringify(changed)}${match[3]}`) : event
}

function withCost(protocol: Protocol, value: WireObject | null, cost: string): WireObject | null {
  for (const path of USAGE_PATHS[protocol]) {
    const changed = value && insertAt(value, path, cost)
    if (changed) return changed
  }
  return null
}

function insertAt(value: WireObject, path: readonly string[], cost: string): WireObject | null {
  const [key, ...rest] = path
  if (key === undefined) return { ...value, cost }
  const inner = asObject(value[key])
  const changed = inner && insertAt(inner, rest, cost)
  return changed ? { ...value, [key]: changed } : null
}
