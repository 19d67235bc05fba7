/**
 * Members of messages, blocks and tools that only their own protocol knows, or that one target has no place for,
 * disclosed to it: one warning for each kind of member, at its first place. `encodeRaw` does the same for members of the
 * body itself.
 */
import type { Protocol } from '../../base/words.ts'
import type { Warning } from '../codec.ts'
import type { IrBlock } from '../ir/block.ts'
import type { IrRequest } from '../ir/request.ts'
import { toolGroupOf } from '../openai-responses/marks.ts'
import { asObject, type WireObject } from '../wire-value.ts'

/** In `raw`, an object under one of these names holds members of the wire's object of that name. */
const WRAPPERS: Readonly<Record<Protocol, ReadonlySet<string>>> = {
  'openai-chat': new Set(['function', 'custom']),
  'openai-responses': new Set(['item', 'part']),
  'anthropic-messages': new Set(),
  'google-generate': new Set(['functionCall', 'functionResponse', 'fileData', 'inlineData']),
}

/** What is only about form, or is said by the canonical form too: nothing is lost with it. */
const FORMAL: Readonly<Record<Protocol, ReadonlySet<string>>> = {
  'openai-chat': new Set(['content', 'role', 'type', 'member', 'message', 'name', 'reasoning_content', 'reasoning']),
  // Ids and states of items are the conversation's book-keeping.
  'openai-responses': new Set(['id', 'status', 'type', 'role', 'form', 'call_id', 'summary', 'name', 'namespace']),
  'anthropic-messages': new Set(['source']),
  'google-generate': new Set(['parameters', 'parametersJsonSchema', 'systemInstruction', 'id', 'name', 'response']),
}
/** Of a tool, where `response` is the schema of its result. */
const SAID_BY_TOOLS: ReadonlySet<string> = new Set(['response'])

/** Warnings for what `request` says of its messages, blocks and tools in words of its own protocol. */
export function droppedMembers(request: IrRequest, target: Protocol): Warning[] {
  const { source } = request
  if (source === target) return []
  const found = new Map<string, Warning>()
  const note = (raw: WireObject | undefined, kind: string, field: string): void => {
    if (raw) noteMembers(raw, { source, kind, field, found, isInner: false })
  }
  request.tools.forEach((tool, i) => {
    if (tool.type === 'hosted') return
    note(tool.raw, 'tool', `tools[${i}]`)
    if (toolGroupOf(tool.raw)?.wire.description) addOnce(found, 'group.description', `tools[${i}].description`)
    if (tool.cache && target === 'openai-responses') addOnce(found, 'tool.cache', `tools[${i}].cache_control`)
  })
  noteFormat(request, target, found)
  request.system.forEach((part, i) => {
    note(part.raw, 'text', `system[${i}]`)
  })
  request.messages.forEach((message, i) => {
    note(message.raw, 'message', `messages[${i}]`)
    noteBlocks(message.blocks, `messages[${i}].content`, target, found, note)
  })
  return [...found.values()]
}

function noteBlocks(
  blocks: readonly IrBlock[],
  field: string,
  target: Protocol,
  found: Map<string, Warning>,
  note: (raw: WireObject | undefined, kind: string, field: string) => void,
): void {
  blocks.forEach((block, i) => {
    const place = `${field}[${i}]`
    if (block.type !== 'opaque') note(block.raw, block.type, place)
    noteUnplaced(block, place, target, found)
    if (block.type === 'text' && block.citations?.some(({ protocol }) => protocol !== target)) {
      addOnce(found, 'text.citations', `${place}.citations`)
    }
    if (block.type !== 'tool-result') return
    noteBlocks(block.content, `${place}.content`, target, found, note)
    const marked = block.content.findIndex((part) => part.cache)
    if (marked >= 0 && target === 'openai-chat')
      addOnce(found, 'result.cache', `${place}.content[${marked}].cache_control`)
  })
}

/** What the IR has a word for, but the target no place. */
function noteUnplaced(block: IrBlock, place: string, target: Protocol, found: Map<string, Warning>): void {
  if (block.type === 'image' && block.detail !== undefined && target === 'anthropic-messages') {
    addOnce(found, 'image.detail', `${place}.detail`)
  }
  if (block.type === 'document' && block.name !== undefined && target === 'google-generate') {
    addOnce(found, 'document.name', `${place}.name`)
  }
  const isCall = block.type === 'tool-call' || block.type === 'tool-result'
  if (isCall && block.cache && target === 'openai-responses') {
    addOnce(found, `${block.type}.cache`, `${place}.cache_control`)
  }
}

const FORMAT_PATHS: Readonly<Record<Protocol, string>> = {
  'openai-chat': 'response_format.json_schema',
  'openai-responses': 'text.format',
  'anthropic-messages': 'output_config.format',
  'google-generate': 'generationConfig.responseJsonSchema',
}

/** Anthropic and Google bind answers to a bare schema, and always strictly. */
function noteFormat({ format, source }: IrRequest, target: Protocol, found: Map<string, Warning>): void {
  if (format?.type !== 'json-schema' || target.startsWith('openai')) return
  const path = FORMAT_PATHS[source]
  if (format.description !== undefined) addOnce(found, 'format.description', `${path}.description`)
  if (format.strict === false) addOnce(found, 'format.strict', `${path}.strict`)
}

interface Place {
  readonly source: Protocol
  readonly kind: string
  readonly field: string
  readonly found: Map<string, Warning>
  /** An object of the wire within another: its own objects are not looked into. */
  readonly isInner: boolean
}

function noteMembers(raw: WireObject, place: Place): void {
  const { source, kind, field, found } = place
  for (const [name, value] of Object.entries(raw)) {
    const inner = WRAPPERS[source].has(name) ? asObject(value) : null
    if (inner && !place.isInner) noteMembers(inner, { ...place, field: `${field}.${name}`, isInner: true })
    else if (isSaid(value) && (!FORMAL[source].has(name) || (kind === 'tool' && SAID_BY_TOOLS.has(name)))) {
      addOnce(found, `${kind}.${name}`, `${field}.${name}`)
    }
  }
}

function isSaid(value: unknown): boolean {
  return value !== null && value !== undefined && !(Array.isArray(value) && value.length === 0)
}

function addOnce(found: Map<string, Warning>, kind: string, field: string): void {
  if (!found.has(kind)) found.set(kind, { action: 'dropped', field })
}
