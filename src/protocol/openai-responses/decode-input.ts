/**
 * Reads the items of `input` into messages.
 *
 * Source: OpenAI "Create a model response" (`input`) and captured requests of agents: the items of one turn (reasoning,
 * message, calls) stand side by side, messages may lack `type`, items of unknown types pass as they are.
 */
import type { IrBlock, IrText, IrToolCall, IrToolResult } from '../ir/block.ts'
import type { IrMessage, IrTool } from '../ir/request.ts'
import { jsonText } from '../openai-chat/json-depth.ts'
import { unknownMembers } from '../translation/raw.ts'
import { asName, asObject, asText, type WireObject } from '../wire-value.ts'
import { decodeContent, invalid } from './decode-part.ts'
import { decodeReasoning } from './decode-reasoning.ts'
import { asGroup, decodeTools } from './decode-tools.ts'
import { type Mark, markOf, rawOf } from './marks.ts'
import { isReference } from './stored-state.ts'

export interface DecodedInput {
  readonly system: readonly IrText[]
  readonly messages: readonly IrMessage[]
  /** Of `additional_tools` items. */
  readonly tools: readonly IrTool[]
}

interface InputState {
  readonly system: IrText[]
  readonly messages: IrMessage[]
  readonly tools: IrTool[]
  /** The blocks of the last message while items of the same kind may join it. */
  open: { readonly kind: 'assistant' | 'results'; readonly blocks: IrBlock[] } | null
  /** Nothing but system messages has come so far. */
  isLeading: boolean
  /** Items that were kept, which is the place of the next one. */
  items: number
  readonly names: Map<string, string>
  /** Ids of calls, in order, and from where on there may be one without a result. */
  readonly calls: string[]
  openFrom: number
  /** How many calls of an id wait for a result, and how many results came for those from `openFrom` on. */
  readonly waiting: Map<string, number>
  readonly answered: Map<string, number>
}

/** @throws AppError invalid_request */
export function decodeInput(input: unknown): DecodedInput {
  const state: InputState = {
    system: [],
    messages: [],
    tools: [],
    open: null,
    isLeading: true,
    items: 0,
    names: new Map(),
    calls: [],
    openFrom: 0,
    waiting: new Map(),
    answered: new Map(),
  }
  if (typeof input === 'string') {
    const blocks: IrBlock[] = input === '' ? [] : [{ type: 'text', text: input }]
    state.messages.push({ role: 'user', blocks, ...rawOf({ form: 'input' }) })
    return state
  }
  if (!Array.isArray(input)) throw invalid('input', 'must be a string or a list')
  input.forEach((entry, i) => {
    decodeItem(state, entry, `input[${i}]`)
  })
  return state
}

type Decoder = (state: InputState, item: WireObject, path: string) => void

const DECODERS: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ['message', onMessage],
  ['reasoning', (state, item) => addToTurn(state, decodeReasoning(item))],
  ['function_call', (state, item, path) => onCall(state, item, path, 'function')],
  ['custom_tool_call', (state, item, path) => onCall(state, item, path, 'custom')],
  ['function_call_output', (state, item, path) => onResult(state, item, path, 'function')],
  ['custom_tool_call_output', (state, item, path) => onResult(state, item, path, 'custom')],
  ['additional_tools', onAdditionalTools],
])

function decodeItem(state: InputState, entry: unknown, path: string): void {
  const item = asObject(entry)
  if (!item) throw invalid(path, 'must be an object')
  const type = typeOf(item)
  if (type === null) throw invalid(`${path}.type`, 'is missing')
  const decode = DECODERS.get(type)
  if (decode) decode(state, item, path)
  else addOpaque(state, item, type)
  state.items++
}

function typeOf(item: WireObject): string | null {
  if (isReference(item)) return 'item_reference'
  return asName(item.type) ?? (item.role === undefined ? null : 'message')
}

const MESSAGE_MEMBERS = new Set(['role', 'content'])

function onMessage(state: InputState, item: WireObject, path: string): void {
  const { role } = item
  const isString = typeof item.content === 'string'
  const textType = role === 'assistant' ? 'output_text' : 'input_text'
  const blocks = decodeContent(item.content, `${path}.content`, textType)
  const members = unknownMembers(item, MESSAGE_MEMBERS)
  const mark: Mark = { item: members ?? {}, ...(isString && { form: 'string' }) }
  switch (role) {
    case 'user':
      addMessage(state, { role: 'user', blocks, ...rawOf(mark) })
      return
    case 'assistant':
      onAssistantMessage(state, item, blocks, mark)
      return
    case 'system':
    case 'developer':
      onSystemMessage(state, blocks, { ...mark, item: { role, ...mark.item } })
      return
    default:
      throw invalid(`${path}.role`, 'must be "user", "assistant", "system" or "developer"')
  }
}

function addMessage(state: InputState, message: IrMessage): void {
  state.open = null
  state.isLeading = false
  state.messages.push(message)
}

/** The first block keeps what the item says of itself. An item without content says nothing, and is left out. */
function onAssistantMessage(state: InputState, item: WireObject, blocks: IrBlock[], mark: Mark): void {
  const [first, ...others] = blocks
  if (!first) {
    state.items--
    return
  }
  // A part that only this protocol knows cannot tell whose it is: the whole item stays as it came.
  if (blocks.some((block) => block.type === 'opaque')) addOpaque(state, item, 'message')
  else addToTurn(state, [withMark(first, mark), ...others])
}

function withMark<T extends IrBlock>(block: T, mark: Mark): T {
  const own = block.type === 'opaque' ? {} : markOf(block.raw)
  return { ...block, ...rawOf({ ...own, ...mark }) }
}

function onSystemMessage(state: InputState, blocks: IrBlock[], mark: Mark): void {
  const [first, ...others] = blocks
  if (!first) state.items--
  else if (state.isLeading && blocks.every((block) => block.type === 'text')) {
    for (const text of [withMark(first, mark), ...others]) state.system.push(text as IrText)
  } else addMessage(state, { role: 'system', blocks, ...rawOf(mark) })
}

/** Adds to the assistant's turn that is under way, or begins one. */
function addToTurn(state: InputState, blocks: readonly IrBlock[]): void {
  join(state, 'assistant', blocks)
}

function join(state: InputState, kind: 'assistant' | 'results', blocks: readonly IrBlock[]): void {
  if (state.open?.kind !== kind) {
    const open = { kind, blocks: [] as IrBlock[] }
    addMessage(state, { role: kind === 'assistant' ? 'assistant' : 'user', blocks: open.blocks })
    state.open = open
  }
  for (const block of blocks) state.open.blocks.push(block)
}

const CALL_MEMBERS = new Set(['type', 'call_id', 'name', 'namespace', 'arguments'])
const CUSTOM_CALL_MEMBERS = new Set(['type', 'call_id', 'name', 'namespace', 'input'])

function onCall(state: InputState, item: WireObject, path: string, kind: 'function' | 'custom'): void {
  const name = asName(item.name)
  if (name === null) throw invalid(`${path}.name`, 'is missing')
  const namespace = asName(item.namespace)
  const id = asName(item.call_id) ?? asName(item.id) ?? `call_${state.items}`
  const raw = unknownMembers(item, kind === 'custom' ? CUSTOM_CALL_MEMBERS : CALL_MEMBERS)
  const call: IrToolCall = {
    type: 'tool-call',
    id,
    name,
    ...(namespace !== null && { namespace }),
    kind,
    input: kind === 'custom' ? (asText(item.input) ?? '') : argumentsOf(item.arguments, `${path}.arguments`),
    ...(raw && { raw }),
  }
  state.names.set(id, name)
  state.calls.push(id)
  addTo(state.waiting, id, 1)
  addToTurn(state, [call])
}

function argumentsOf(value: unknown, path: string): string {
  if (value === undefined || value === null || value === '') return '{}'
  if (typeof value === 'string') return value
  // Some servers give arguments parsed, and clients give them back so.
  const text = asObject(value) && jsonText(value)
  if (text === '') throw invalid(path, 'is nested too deeply')
  if (text !== null) return text
  throw invalid(path, 'must be a string')
}

const RESULT_MEMBERS = new Set(['type', 'call_id', 'name', 'output'])

function onResult(state: InputState, item: WireObject, path: string, kind: 'function' | 'custom'): void {
  const id = asName(item.call_id) ?? firstWaiting(state)
  if (id === undefined) throw invalid(`${path}.call_id`, 'is missing')
  if ((state.waiting.get(id) ?? 0) > 0) {
    addTo(state.waiting, id, -1)
    addTo(state.answered, id, 1)
  }
  const name = asName(item.name) ?? state.names.get(id)
  const members = unknownMembers(item, RESULT_MEMBERS)
  const result: IrToolResult = {
    type: 'tool-result',
    id,
    ...(name !== undefined && { name }),
    kind,
    content: decodeContent(item.output, `${path}.output`, 'input_text'),
    ...rawOf({
      item: asName(item.name) === null ? members : { name: item.name, ...members },
      form: typeof item.output === 'string' ? undefined : 'parts',
    }),
  }
  join(state, 'results', [result])
}

function addTo(counts: Map<string, number>, id: string, count: number): void {
  counts.set(id, (counts.get(id) ?? 0) + count)
}

/** The oldest call without a result. */
function firstWaiting(state: InputState): string | undefined {
  const { calls, answered } = state
  for (; state.openFrom < calls.length; state.openFrom++) {
    const id = calls[state.openFrom] as string
    if ((answered.get(id) ?? 0) === 0) return id
    addTo(answered, id, -1)
  }
  return undefined
}

/** Items that the client brings: what its own tools gave, approvals, and the wish to compact. */
const OF_CLIENT = /_(?:output|response|trigger)$/

function addOpaque(state: InputState, item: WireObject, kind: string): void {
  const block: IrBlock = { type: 'opaque', protocol: 'openai-responses', kind, value: item }
  join(state, OF_CLIENT.test(kind) ? 'results' : 'assistant', [block])
}

function onAdditionalTools(state: InputState, item: WireObject, path: string): void {
  const tools = asGroup(decodeTools(item.tools, `${path}.tools`), item, state.items)
  // Tools that none but the vendor knows leave nothing to translate.
  if (tools) for (const tool of tools) state.tools.push(tool)
  else addOpaque(state, item, 'additional_tools')
}
