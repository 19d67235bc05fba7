/** The rules of Chat Completions about its messages: contents per role, calls and their answers, returned reasoning. */
import { asObject, type WireObject } from '../../../src/protocol/wire-value.ts'
import {
  optional,
  readFilledList,
  readMatch,
  readName,
  readObject,
  readOneOf,
  readOnly,
  readText,
  refuse,
} from './breach.ts'
import type { ChatOptions } from './chat-rules.ts'
import { OPENAI_NAME } from './openai-rules.ts'

const MAX_CALL_ID = 40

type Thoughts = ReadonlyMap<string, string>

export function checkChatConversation(body: WireObject, options: ChatOptions, thoughts: Thoughts): void {
  const messages = readFilledList(body.messages, 'messages')
  let open: string[] = []
  messages.forEach((entry, i) => {
    const path = `messages[${i}]`
    const message = readObject(entry, path)
    const { systemRole = 'system' } = options
    const role = readOneOf(message.role, `${path}.role`, [systemRole, 'user', 'assistant', 'tool'])
    if (role === 'tool') {
      open = closeCall(message, path, open)
      return
    }
    if (open.length > 0) {
      refuse(path, `an assistant message with 'tool_calls' must be followed by tool messages; unanswered: ${open}`)
    }
    if (role === 'assistant') open = checkAssistant(message, path, options, thoughts)
    else checkSpoken(message, path, role)
  })
  if (open.length > 0) refuse('messages', `tool calls without an answer: ${open}`)
}

/** @returns the calls that are still open */
function closeCall(message: WireObject, path: string, open: readonly string[]): string[] {
  readOnly(message, path, ['role', 'content', 'tool_call_id'])
  const id = readName(message.tool_call_id, `${path}.tool_call_id`)
  if (!open.includes(id)) {
    refuse(path, "messages with role 'tool' must be a response to a preceding message with 'tool_calls'")
  }
  checkParts(message.content, `${path}.content`, ['text'])
  return open.filter((other) => other !== id)
}

function checkSpoken(message: WireObject, path: string, role: string): void {
  readOnly(message, path, ['role', 'content', 'name'])
  optional(message.name, `${path}.name`, (value, at) => readMatch(value, at, OPENAI_NAME))
  checkParts(
    message.content,
    `${path}.content`,
    role === 'user' ? ['text', 'image_url', 'input_audio', 'file'] : ['text'],
  )
}

function checkParts(content: unknown, path: string, types: readonly string[]): void {
  if (typeof content === 'string') return
  readFilledList(content, path).forEach((entry, i) => {
    const at = `${path}[${i}]`
    const part = readObject(entry, at)
    const type = readOneOf(part.type, `${at}.type`, types)
    readOnly(part, at, ['type', type])
    if (type === 'text' || type === 'refusal') readText(part[type], `${at}.${type}`)
    else checkMedia(type, part[type], `${at}.${type}`)
  })
}

/** `original` is OpenAI's own. */
const DETAILS = ['auto', 'low', 'high']

function checkMedia(type: string, value: unknown, path: string): void {
  switch (type) {
    case 'image_url': {
      const image = readOnly(value, path, ['url', 'detail'])
      readMatch(image.url, `${path}.url`, /^(?:https?:\/\/|data:image\/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+=*$)/)
      optional(image.detail, `${path}.detail`, (detail, at) => readOneOf(detail, at, DETAILS))
      return
    }
    case 'input_audio': {
      const audio = readOnly(value, path, ['data', 'format'])
      readOneOf(audio.format, `${path}.format`, ['wav', 'mp3'])
      return
    }
    case 'file': {
      const file = readOnly(value, path, ['filename', 'file_data', 'file_id'])
      if (file.file_id === undefined) readMatch(file.file_data, `${path}.file_data`, /^data:[^;]+;base64,/)
    }
  }
}

/** @returns the ids of its calls */
function checkAssistant(message: WireObject, path: string, options: ChatOptions, thoughts: Thoughts): string[] {
  const { reasoningField = 'reasoning_content' } = options
  const reasoning = reasoningField === 'none' ? [] : [reasoningField]
  readOnly(message, path, ['role', 'content', 'name', 'refusal', 'tool_calls', ...reasoning])
  const ids = message.tool_calls === undefined ? [] : checkCalls(message.tool_calls, `${path}.tool_calls`)
  const { content } = message
  if (content !== undefined && content !== null) checkParts(content, `${path}.content`, ['text', 'refusal'])
  else if (ids.length === 0 && !message.refusal) refuse(path, 'needs content or tool_calls')
  const [field] = reasoning
  if (field !== undefined) checkReturned(message[field], `${path}.${field}`, ids, options, thoughts)
  return ids
}

function checkCalls(value: unknown, path: string): string[] {
  const ids = readFilledList(value, path).map((entry, i) => {
    const at = `${path}[${i}]`
    const call = readOnly(entry, at, ['id', 'type', 'function'])
    readOneOf(call.type, `${at}.type`, ['function'])
    const { name, arguments: input } = readOnly(call.function, `${at}.function`, ['name', 'arguments'])
    readMatch(name, `${at}.function.name`, OPENAI_NAME)
    checkArguments(input, `${at}.function.arguments`)
    const id = readName(call.id, `${at}.id`)
    return id.length > MAX_CALL_ID ? refuse(`${at}.id`, `longer than ${MAX_CALL_ID}`) : id
  })
  return new Set(ids).size === ids.length ? ids : refuse(path, 'two calls have one id')
}

function checkArguments(value: unknown, path: string): void {
  const text = readText(value, path)
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    refuse(path, 'is not valid JSON')
  }
  if (asObject(parsed) === null) refuse(path, 'is no JSON object')
}

/** Reasoning that comes back must be what the model gave; a model that was told so must get it back. */
function checkReturned(
  value: unknown,
  path: string,
  ids: readonly string[],
  { reasoningRequired = false }: ChatOptions,
  thoughts: Thoughts,
): void {
  if (value === undefined) {
    if (reasoningRequired && ids.length > 0) refuse(path, 'in the thinking mode it must be passed back to the API')
    return
  }
  const text = readText(value, path)
  const [own] = ids.flatMap((id) => thoughts.get(id) ?? [])
  if (own !== undefined && text !== own && (reasoningRequired || text !== '')) {
    refuse(path, 'is not what the model gave before these calls')
  }
}
