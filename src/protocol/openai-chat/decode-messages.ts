/**
 * The messages of a chat request. Source: OpenAI "Create chat completion", its deprecated forms (`function_call`, role
 * `function`) included.
 *
 * `raw` of messages and blocks keeps unknown members, and under the name of a known one what the canonical form does
 * not say: `content` that it was a list (`[]`) or empty (`''`), `role` that it was `developer` or `function`, `type`
 * that a call was a deprecated one, `message` on a system text where a message of the client's began.
 */
import type { IrBlock, IrText, IrToolCall, IrToolResult } from '../ir/block.ts'
import type { IrMessage } from '../ir/request.ts'
import type { IrThought } from '../translation/bundle.ts'
import { unknownMembers } from '../translation/raw.ts'
import { asArray, asName, asObject, asText, type WireObject } from '../wire-value.ts'
import { decodeContent, invalid, marksOf } from './decode-parts.ts'
import { decodeExtra, decodeThoughts, sealsOnCalls, THOUGHT_MEMBERS } from './decode-thoughts.ts'
import { jsonText } from './json-depth.ts'
import { createOpenCalls, type OpenCalls } from './open-calls.ts'

interface Call {
  readonly id: string
  readonly name: string
  readonly kind: 'function' | 'custom'
}

interface MessagesState {
  readonly system: IrText[]
  readonly messages: IrMessage[]
  /** Results that follow each other are one message. */
  results: IrBlock[] | null
  readonly calls: Map<string, Call>
  /** Of the last turn. */
  open: OpenCalls<Call>
  madeIds: number
}

type MessageDecoder = (state: MessagesState, message: WireObject, path: string) => void

const ROLES: ReadonlyMap<string, MessageDecoder> = new Map([
  ['system', onSystem],
  ['developer', onSystem],
  ['user', onUser],
  ['assistant', onAssistant],
  ['tool', onTool],
  ['function', onFunction],
])

export interface DecodedMessages {
  readonly system: readonly IrText[]
  readonly messages: readonly IrMessage[]
}

/** @throws AppError invalid_request */
export function decodeMessages(value: unknown): DecodedMessages {
  if (!Array.isArray(value) || value.length === 0) throw invalid('messages', 'a list of at least one message')
  const state: MessagesState = {
    system: [],
    messages: [],
    results: null,
    calls: new Map(),
    open: createOpenCalls(),
    madeIds: 0,
  }
  value.forEach((entry, i) => {
    const path = `messages[${i}]`
    const message = asObject(entry)
    if (!message) throw invalid(path, 'an object')
    const decode = ROLES.get(asText(message.role) ?? '')
    if (!decode) throw invalid(`${path}.role`, 'system, developer, user, assistant or tool')
    if (message.role !== 'tool' && message.role !== 'function') state.results = null
    decode(state, message, path)
  })
  return { system: state.system, messages: state.messages }
}

function onSystem(state: MessagesState, message: WireObject, path: string): void {
  const blocks = decodeContent(message.content, `${path}.content`)
  const role = message.role === 'developer' ? { role: 'developer' } : undefined
  const isText = blocks.every((block) => block.type === 'text' && !block.isRefusal)
  if (state.messages.length > 0 || !isText || (Array.isArray(message.content) && blocks.length === 0)) {
    const raw = {
      ...unknownMembers(message, new Set(['role', 'content', 'name'])),
      ...listMark(message, blocks),
      ...role,
    }
    state.messages.push(withMembers('system', blocks, message, raw))
    return
  }
  const count = Array.isArray(message.content) ? { content: blocks.length } : undefined
  const raw = { ...unknownMembers(message, new Set(['role', 'content'])), ...count, ...role }
  const texts = blocks.length > 0 ? (blocks as IrText[]) : [{ type: 'text', text: '' } as const]
  const [first, ...rest] = texts
  if (!first) return
  state.system.push(Object.keys(raw).length > 0 ? { ...first, raw: { ...first.raw, message: raw } } : first, ...rest)
}

/** Says that a list stood where a text alone would be written as a string. */
function listMark(message: WireObject, blocks: readonly IrBlock[]): WireObject | undefined {
  if (!Array.isArray(message.content) || blocks.length > 1) return undefined
  const [block] = blocks
  return block === undefined || isPlainText(block) ? { content: [] } : undefined
}

export function isPlainText(block: IrBlock): boolean {
  return block.type === 'text' && !block.cache && !block.raw && !block.isRefusal
}

function withMembers(
  role: IrMessage['role'],
  blocks: readonly IrBlock[],
  message: WireObject,
  raw: WireObject,
): IrMessage {
  const name = asName(message.name)
  return { role, blocks, ...(name !== null && { name }), ...(Object.keys(raw).length > 0 && { raw }) }
}

const USER_MEMBERS: ReadonlySet<string> = new Set(['role', 'content', 'name'])

function onUser(state: MessagesState, message: WireObject, path: string): void {
  const blocks = decodeContent(message.content, `${path}.content`)
  const raw = { ...unknownMembers(message, USER_MEMBERS), ...listMark(message, blocks) }
  state.messages.push(withMembers('user', blocks, message, raw))
}

const ASSISTANT_MEMBERS: ReadonlySet<string> = new Set([
  ...USER_MEMBERS,
  ...THOUGHT_MEMBERS,
  'refusal',
  'tool_calls',
  'function_call',
])

function onAssistant(state: MessagesState, message: WireObject, path: string): void {
  const wireCalls = asArray(message.tool_calls)
  const { thoughts, raw: thoughtRaw } = decodeThoughts(message, sealsOnCalls(wireCalls))
  const content = decodeContent(message.content, `${path}.content`)
  const refusal = asName(message.refusal)
  state.open = createOpenCalls()
  const calls = wireCalls.flatMap((call, i) => decodeCall(state, call, `${path}.tool_calls[${i}]`))
  const legacy = asObject(message.function_call)
  if (legacy) calls.push(decodeLegacyCall(state, legacy, `${path}.function_call`))
  const isEmptyText = message.content === '' && (calls.length > 0 || refusal !== null)
  const extra = decodeExtra(asObject(message.extra_content))
  const raw = {
    ...unknownMembers(message, extra.length > 0 ? new Set([...ASSISTANT_MEMBERS, 'extra_content']) : ASSISTANT_MEMBERS),
    ...thoughtRaw,
    ...(isEmptyText ? { content: '' } : listMark(message, content)),
  }
  const text: IrBlock[] = [
    ...content,
    ...(refusal === null ? [] : [{ type: 'text', text: refusal, isRefusal: true } as const]),
  ]
  const said = text.length > 0 ? [...thoughts, ...extra, ...text, ...calls] : [...joined(thoughts, calls), ...extra]
  state.messages.push(withMembers('assistant', said, message, raw))
}

/** A text that nobody signed, directly before a call that is signed: what was signed is this text. */
function joined(thoughts: readonly IrThought[], calls: readonly IrBlock[]): IrBlock[] {
  const last = thoughts.at(-1)
  const [first, ...rest] = calls
  const isUnsigned = last?.type === 'thinking' && last.signature === null && last.text !== ''
  if (!isUnsigned || first?.type !== 'thinking' || first.text !== '') return [...thoughts, ...calls]
  const { raw } = last
  return [...thoughts.slice(0, -1), { ...first, text: last.text, ...(raw && { raw }) }, ...rest]
}

function decodeCall(state: MessagesState, value: unknown, path: string): IrBlock[] {
  const call = asObject(value)
  if (!call) throw invalid(path, 'an object')
  const kind = asObject(call.custom) && call.type !== 'function' ? 'custom' : 'function'
  const called = asObject(call[kind]) ?? call
  const name = asName(called.name)
  if (name === null) throw invalid(`${path}.${kind}.name`, 'a name')
  const input = kind === 'custom' ? (asText(called.input) ?? '') : argumentsText(called.arguments)
  const extra = decodeExtra(asObject(call.extra_content))
  const known = ['id', kind, ...(extra.length > 0 ? ['extra_content'] : [])]
  const { cache, raw: outer } = marksOf(call, known)
  const inner = called === call ? undefined : unknownMembers(called, CALL_MEMBERS)
  const raw = { ...outer, ...(inner && { [kind]: inner }) }
  const block: IrToolCall = {
    type: 'tool-call',
    id: asName(call.id) ?? `call_${state.madeIds++}`,
    name,
    kind,
    input,
    ...(cache && { cache }),
    ...(Object.keys(raw).length > 0 && { raw }),
  }
  remember(state, block)
  return [...extra, block]
}

const CALL_MEMBERS: ReadonlySet<string> = new Set(['name', 'arguments', 'input'])

/** Arguments as JSON text; some clients give the object itself. */
function argumentsText(value: unknown): string {
  const text = asText(value) ?? (value === null || value === undefined ? '' : jsonText(value))
  return text === '' ? '{}' : text
}

function decodeLegacyCall(state: MessagesState, call: WireObject, path: string): IrToolCall {
  const name = asName(call.name)
  if (name === null) throw invalid(`${path}.name`, 'a name')
  const block: IrToolCall = {
    type: 'tool-call',
    id: `call_${state.madeIds++}`,
    name,
    kind: 'function',
    input: argumentsText(call.arguments),
    raw: { ...unknownMembers(call, CALL_MEMBERS), type: 'function_call' },
  }
  remember(state, block)
  return block
}

function remember(state: MessagesState, { id, name, kind }: IrToolCall): void {
  const call = { id, name, kind }
  state.calls.set(id, call)
  state.open.add(call)
}

const TOOL_MEMBERS: ReadonlySet<string> = new Set(['role', 'content', 'tool_call_id'])

function onTool(state: MessagesState, message: WireObject, path: string): void {
  const given = asName(message.tool_call_id)
  const call = given === null ? state.open.first() : state.calls.get(given)
  // Its name, where the wire has one, stays in `raw` as well: most clients send none.
  addResult(state, message, path, { given, call, raw: unknownMembers(message, TOOL_MEMBERS) })
}

function onFunction(state: MessagesState, message: WireObject, path: string): void {
  const call = state.open.firstNamed(message.name)
  addResult(state, message, path, {
    given: null,
    call,
    raw: { ...unknownMembers(message, TOOL_MEMBERS), role: 'function' },
  })
}

interface Answered {
  readonly given: string | null
  readonly call: Call | undefined
  readonly raw: WireObject | undefined
}

function addResult(state: MessagesState, message: WireObject, path: string, { given, call, raw }: Answered): void {
  const content = decodeContent(message.content, `${path}.content`)
  const members = { ...raw, ...listMark(message, content) }
  const name = asName(message.name) ?? call?.name
  const result: IrToolResult = {
    type: 'tool-result',
    id: given ?? call?.id ?? `call_${state.madeIds++}`,
    ...(name !== undefined && { name }),
    kind: call?.kind ?? 'function',
    content,
    ...(Object.keys(members).length > 0 && { raw: members }),
  }
  state.open.answer(result.id)
  if (state.results) {
    state.results.push(result)
    return
  }
  state.results = [result]
  state.messages.push({ role: 'user', blocks: state.results })
}
