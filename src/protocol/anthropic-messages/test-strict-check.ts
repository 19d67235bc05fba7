/** Checks a request as strictly as Anthropic does, for tests: what it finds, Anthropic answers with 400. */
import { asArray, asObject, asText, type WireObject } from '../wire-value.ts'

const MEMBERS = new Set([
  ...['model', 'max_tokens', 'messages', 'system', 'tools', 'tool_choice', 'stream', 'thinking', 'output_config'],
  ...['temperature', 'top_p', 'top_k', 'stop_sequences', 'metadata', 'service_tier'],
])
const BLOCK_MEMBERS: ReadonlyMap<unknown, readonly string[]> = new Map([
  ['text', ['type', 'text', 'cache_control', 'citations']],
  ['image', ['type', 'source', 'cache_control']],
  ['document', ['type', 'source', 'title', 'context', 'citations', 'cache_control']],
  ['thinking', ['type', 'thinking', 'signature']],
  ['redacted_thinking', ['type', 'data']],
  ['tool_use', ['type', 'id', 'name', 'input', 'cache_control']],
  ['tool_result', ['type', 'tool_use_id', 'content', 'is_error', 'cache_control']],
])
const ROLE_BLOCKS: ReadonlyMap<unknown, readonly string[]> = new Map([
  ['user', ['text', 'image', 'document', 'tool_result']],
  ['assistant', ['text', 'thinking', 'redacted_thinking', 'tool_use']],
  ['system', ['text']],
])

type Complain = (what: string) => void

/** What Anthropic would refuse; empty when nothing. */
export function strictComplaints(body: WireObject): string[] {
  const found: string[] = []
  const complain: Complain = (what) => {
    found.push(what)
  }
  for (const key of Object.keys(body)) if (!MEMBERS.has(key)) complain(`${key}: not permitted`)
  if (!Number.isInteger(body.max_tokens) || (body.max_tokens as number) < 1) complain('max_tokens')
  const messages = asArray(body.messages) as readonly WireObject[]
  checkOrder(messages, complain)
  messages.forEach((message, i) => {
    checkMessage(message, `messages[${i}]`, complain)
  })
  asArray(body.system).forEach((block, i) => {
    checkBlock(block, ['text'], `system[${i}]`, complain)
  })
  checkResults(messages, complain)
  checkTools(body, complain)
  checkThinking(body, messages, complain)
  checkSampling(body, complain)
  checkMarks(body, complain)
  return found
}

function checkOrder(messages: readonly WireObject[], complain: Complain): void {
  if (messages[0]?.role !== 'user') complain('the first message must be a user')
  messages.forEach(({ role }, i) => {
    if (role !== 'system') return
    if (messages[i - 1]?.role !== 'user') complain(`messages[${i}]: system must follow a user`)
    if (i < messages.length - 1 && messages[i + 1]?.role !== 'assistant') complain(`messages[${i}]: system in between`)
  })
  const last = messages.at(-1)
  const text = asText((asArray(last?.content).at(-1) as WireObject | undefined)?.text)
  if (last?.role === 'assistant' && text !== null && text !== text.trimEnd()) complain('blanks at the end')
}

function checkMessage({ role, content }: WireObject, path: string, complain: Complain): void {
  const blocks = asArray(content) as readonly WireObject[]
  if (blocks.length === 0) complain(`${path}: no content`)
  blocks.forEach((block, i) => {
    checkBlock(block, ROLE_BLOCKS.get(role) ?? [], `${path}[${i}]`, complain)
  })
  if (role === 'assistant' && /thinking$/.test(String(blocks.at(-1)?.type))) complain(`${path}: ends with thinking`)
}

function checkBlock(value: unknown, types: readonly string[], path: string, complain: Complain): void {
  const block = asObject(value) ?? {}
  const type = String(block.type)
  if (!types.includes(type)) complain(`${path}: ${type} is out of place`)
  for (const key of Object.keys(block)) if (!BLOCK_MEMBERS.get(type)?.includes(key)) complain(`${path}.${key}`)
  if (type === 'text' && !asText(block.text)?.trim()) complain(`${path}: blank text`)
  if (type === 'thinking' && !asText(block.signature)) complain(`${path}: no signature`)
  if (type === 'tool_use') checkCall(block, path, complain)
  if (type === 'tool_result') checkResult(block, path, complain)
}

function checkCall({ id, name, input }: WireObject, path: string, complain: Complain): void {
  if (!/^[a-zA-Z0-9_-]{1,128}$/.test(String(id))) complain(`${path}: illegal id`)
  if (!/^[a-zA-Z0-9_-]{1,128}$/.test(String(name))) complain(`${path}: illegal name`)
  if (!asObject(input)) complain(`${path}: input is no object`)
}

function checkResult({ content, is_error }: WireObject, path: string, complain: Complain): void {
  const parts = typeof content === 'string' ? [] : asArray(content)
  if (is_error === true && parts.length === 0 && !content) complain(`${path}: an error says nothing`)
  parts.forEach((part, i) => {
    checkBlock(part, ['text', 'image', 'document'], `${path}[${i}]`, complain)
  })
}

/** The results of all calls stand first in the next message, and nowhere else. */
function checkResults(messages: readonly WireObject[], complain: Complain): void {
  const seen = new Set<unknown>()
  messages.forEach((message, i) => {
    const blocks = asArray(message.content) as readonly WireObject[]
    const previous = messages[i - 1]
    const called = callIds(previous)
    const results = blocks.filter(({ type }) => type === 'tool_result').map((block) => block.tool_use_id)
    const head = blocks.slice(0, called.length).map((block) => block.tool_use_id)
    if (new Set(head).size !== called.length || !called.every((id) => head.includes(id))) {
      complain(`messages[${i}]: results missing`)
    }
    if (results.length !== called.length) complain(`messages[${i}]: results without calls`)
    for (const id of callIds(message)) {
      if (seen.has(id)) complain(`messages[${i}]: id twice`)
      seen.add(id)
    }
  })
  if (callIds(messages.at(-1)).length > 0) complain('calls without results at the end')
}

function callIds(message: WireObject | undefined): unknown[] {
  if (message?.role !== 'assistant') return []
  const blocks = asArray(message.content) as readonly WireObject[]
  return blocks.filter(({ type }) => type === 'tool_use').map(({ id }) => id)
}

function checkTools({ tools, tool_choice: choice }: WireObject, complain: Complain): void {
  const list = asArray(tools) as readonly WireObject[]
  const names = list.map(({ name }) => name)
  if (new Set(names).size !== names.length) complain('tools: a name twice')
  list.forEach((tool, i) => {
    if (tool.type === undefined && asObject(tool.input_schema)?.type !== 'object') complain(`tools[${i}]: schema`)
  })
  const wanted = asObject(choice)
  if (wanted && list.length === 0) complain('tool_choice without tools')
  if (wanted?.type === 'tool' && !names.includes(wanted.name)) complain('tool_choice: no such tool')
}

function checkThinking(body: WireObject, messages: readonly WireObject[], complain: Complain): void {
  const thinking = asObject(body.thinking)
  if (!thinking || thinking.type === 'disabled') return
  if (body.temperature !== undefined && body.temperature !== 1) complain('thinking: temperature')
  if (body.top_k !== undefined) complain('thinking: top_k')
  if (body.top_p !== undefined && !((body.top_p as number) >= 0.95)) complain('thinking: top_p')
  if (['any', 'tool'].includes(String(asObject(body.tool_choice)?.type))) complain('thinking: forced tool')
  if (thinking.type !== 'enabled') return
  const budget = thinking.budget_tokens as number
  if (!(budget >= 1024 && budget < (body.max_tokens as number))) complain('thinking: budget')
  if (!turnIsThought(messages)) complain('thinking: the turn does not begin with it')
}

function turnIsThought(messages: readonly WireObject[]): boolean {
  const has = (message: WireObject, type: string): boolean =>
    asArray(message.content).some((block) => asObject(block)?.type === type)
  const begin = messages.findLastIndex((message) => message.role === 'user' && !has(message, 'tool_result'))
  const first = messages.slice(begin + 1).find(({ role }) => role === 'assistant')
  return !first || /thinking$/.test(String(asObject(asArray(first.content)[0])?.type))
}

function checkSampling({ temperature, stop_sequences: stops }: WireObject, complain: Complain): void {
  if (temperature !== undefined && !((temperature as number) >= 0 && (temperature as number) <= 1)) {
    complain('temperature')
  }
  for (const stop of asArray(stops)) if (!asText(stop)?.trim()) complain('stop_sequences: blank')
}

function checkMarks(body: WireObject, complain: Complain): void {
  let marks = 0
  const count = (value: unknown): void => {
    for (const entry of asArray(value)) {
      const holder = asObject(entry)
      if (holder?.cache_control !== undefined) marks += 1
      count(holder?.content)
    }
  }
  count(body.tools)
  count(body.system)
  count(body.messages)
  if (marks > 4) complain(`${marks} cache marks`)
}
