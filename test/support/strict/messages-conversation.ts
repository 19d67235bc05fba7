/** The rules of Messages about what stands in a conversation: blocks, who answers what, and whose signatures. */
import { asObject, type WireObject } from '../../../src/protocol/wire-value.ts'
import {
  optional,
  readBase64,
  readFilledList,
  readFlag,
  readList,
  readMatch,
  readName,
  readObject,
  readOneOf,
  readOnly,
  readText,
  refuse,
} from './breach.ts'
import { type MessagesOptions, TOOL_NAME } from './messages-rules.ts'
import type { Mint } from './mint.ts'

export interface ConversationRules {
  readonly mint: Mint
  readonly thinks: boolean
  /** Whether the last turn that calls tools must begin with its reasoning. */
  readonly mustStartThinking: boolean
  readonly options: MessagesOptions
}

const TOOL_ID = /^[a-zA-Z0-9_-]+$/

interface Turn {
  readonly role: 'user' | 'assistant' | 'system'
  readonly blocks: readonly WireObject[]
  readonly path: string
}

export function checkMessagesConversation(body: WireObject, rules: ConversationRules): void {
  optional(body.system, 'system', checkSystem)
  const turns = readFilledList(body.messages, 'messages').map((entry, i) => readTurn(entry, `messages.${i}`, rules))
  if (turns[0]?.role === 'assistant') refuse('messages.0', 'first message must use the "user" role')
  checkToolPairs(turns.filter(({ role }) => role !== 'system'))
  checkLastTurns(turns, rules)
}

function checkSystem(value: unknown, path: string): void {
  if (typeof value === 'string') return
  readFilledList(value, path).forEach((entry, i) => {
    const at = `${path}.${i}`
    if (readObject(entry, at).type !== 'text') refuse(`${at}.type`, 'must be "text"')
    checkText(readObject(entry, at), at)
  })
}

function readTurn(entry: unknown, path: string, rules: ConversationRules): Turn {
  const message = readOnly(entry, path, ['role', 'content'])
  const roles = rules.options.systemMessages
    ? (['user', 'assistant', 'system'] as const)
    : (['user', 'assistant'] as const)
  const role = readOneOf(message.role, `${path}.role`, roles)
  if (typeof message.content === 'string') {
    if (message.content.trim() === '') refuse(`${path}.content`, 'text content blocks must contain non-whitespace text')
    return { role, blocks: [{ type: 'text', text: message.content }], path }
  }
  const blocks = readFilledList(message.content, `${path}.content`).map((block, i) =>
    readObject(block, `${path}.content.${i}`),
  )
  const known = role === 'assistant' ? ASSISTANT_BLOCKS : role === 'user' ? USER_BLOCKS : { text: checkText }
  blocks.forEach((block, i) => {
    const at = `${path}.content.${i}`
    const check = known[readName(block.type, `${at}.type`)]
    if (check === undefined) refuse(`${at}.type`, `"${block.type}" may not stand in a message of ${role}`)
    check(block, at, rules)
  })
  return { role, blocks, path }
}

type BlockCheck = (block: WireObject, path: string, rules: ConversationRules) => void

function checkText(block: WireObject, path: string): void {
  readOnly(block, path, ['type', 'text', 'cache_control', 'citations'])
  if (readText(block.text, `${path}.text`).trim() === '') refuse(path, 'text content blocks must be non-empty')
}

function checkImage(block: WireObject, path: string): void {
  readOnly(block, path, ['type', 'source', 'cache_control'])
  checkSource(block.source, `${path}.source`, ['image/jpeg', 'image/png', 'image/gif', 'image/webp'])
}

function checkDocument(block: WireObject, path: string): void {
  readOnly(block, path, ['type', 'source', 'cache_control', 'title', 'context', 'citations'])
  checkSource(block.source, `${path}.source`, ['application/pdf'])
}

function checkSource(value: unknown, path: string, mediaTypes: readonly string[]): void {
  const source = readObject(value, path)
  switch (readOneOf(source.type, `${path}.type`, ['base64', 'url', 'file', 'text'])) {
    case 'base64':
      readOnly(source, path, ['type', 'media_type', 'data'])
      readOneOf(source.media_type, `${path}.media_type`, mediaTypes)
      readBase64(source.data, `${path}.data`)
      return
    case 'url':
      readOnly(source, path, ['type', 'url'])
      readMatch(source.url, `${path}.url`, /^https:/)
      return
    case 'file':
      readOnly(source, path, ['type', 'file_id'])
      readName(source.file_id, `${path}.file_id`)
      return
    case 'text':
      readOnly(source, path, ['type', 'media_type', 'data'])
      readOneOf(source.media_type, `${path}.media_type`, ['text/plain'])
  }
}

function checkToolUse(block: WireObject, path: string): void {
  readOnly(block, path, ['type', 'id', 'name', 'input', 'cache_control'])
  readMatch(block.id, `${path}.id`, TOOL_ID)
  readMatch(block.name, `${path}.name`, TOOL_NAME)
  readObject(block.input, `${path}.input`)
}

function checkToolResult(block: WireObject, path: string, rules: ConversationRules): void {
  readOnly(block, path, ['type', 'tool_use_id', 'content', 'is_error', 'cache_control'])
  readMatch(block.tool_use_id, `${path}.tool_use_id`, TOOL_ID)
  const isError = optional(block.is_error, `${path}.is_error`, readFlag)
  if (isError && !block.content) refuse(path, 'content cannot be empty if `is_error` is true')
  if (block.content === undefined || typeof block.content === 'string') return
  readList(block.content, `${path}.content`).forEach((entry, i) => {
    const at = `${path}.content.${i}`
    const inner = readObject(entry, at)
    const check = { text: checkText, image: checkImage, document: checkDocument }[readName(inner.type, `${at}.type`)]
    if (check === undefined) refuse(`${at}.type`, `"${inner.type}" may not stand in a tool result`)
    ;(check as BlockCheck)(inner, at, rules)
  })
}

function checkThinkingBlock(block: WireObject, path: string, { mint }: ConversationRules): void {
  readOnly(block, path, ['type', 'thinking', 'signature'])
  const thinking = readText(block.thinking, `${path}.thinking`)
  const made = mint.made(readName(block.signature, `${path}.signature`))
  if (made === null) refuse(path, 'Invalid `signature` in `thinking` block')
  if (made !== thinking) refuse(path, 'thinking blocks cannot be modified')
}

function checkRedacted(block: WireObject, path: string, { mint }: ConversationRules): void {
  readOnly(block, path, ['type', 'data'])
  if (mint.made(readName(block.data, `${path}.data`)) === null)
    refuse(path, 'Invalid `data` in `redacted_thinking` block')
}

const USER_BLOCKS: Readonly<Record<string, BlockCheck>> = {
  text: checkText,
  image: checkImage,
  document: checkDocument,
  tool_result: checkToolResult,
}
const ASSISTANT_BLOCKS: Readonly<Record<string, BlockCheck>> = {
  text: checkText,
  tool_use: checkToolUse,
  thinking: checkThinkingBlock,
  redacted_thinking: checkRedacted,
}

function idsOf(turn: Turn | undefined, type: string, member: string): string[] {
  return (turn?.blocks ?? []).filter((block) => block.type === type).map((block) => String(block[member]))
}

function checkToolPairs(turns: readonly Turn[]): void {
  const seen = new Set<string>()
  turns.forEach((turn, i) => {
    const calls = idsOf(turn, 'tool_use', 'id')
    for (const id of calls) {
      if (seen.has(id)) refuse(turn.path, '`tool_use` ids must be unique')
      seen.add(id)
    }
    const results = idsOf(turns[i + 1], 'tool_result', 'tool_use_id')
    const missing = calls.filter((id) => !results.includes(id))
    if (missing.length > 0) {
      refuse(turn.path, `\`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${missing}`)
    }
    checkResults(turn, idsOf(turns[i - 1], 'tool_use', 'id'))
  })
}

function checkResults(turn: Turn, asked: readonly string[]): void {
  const answered = idsOf(turn, 'tool_result', 'tool_use_id')
  for (const id of answered) {
    if (!asked.includes(id)) refuse(turn.path, `unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${id}`)
  }
  if (new Set(answered).size !== answered.length) refuse(turn.path, 'each tool_use must have a single result')
  const firstOther = turn.blocks.findIndex((block) => block.type !== 'tool_result')
  const lastResult = turn.blocks.findLastIndex((block) => block.type === 'tool_result')
  if (firstOther !== -1 && firstOther < lastResult) refuse(turn.path, '`tool_result` blocks must come first')
}

function checkLastTurns(turns: readonly Turn[], { thinks, mustStartThinking }: ConversationRules): void {
  const last = turns.at(-1)
  const text = asObject(last?.blocks.at(-1))?.text
  if (last?.role === 'assistant') {
    if (thinks) refuse(last.path, 'the conversation must end with a user message when thinking is enabled')
    if (typeof text === 'string' && text !== text.trimEnd())
      refuse(last.path, 'final assistant content cannot end with whitespace')
  }
  const lastAnswer = turns.findLast(({ role }) => role === 'assistant')
  const isInToolLoop = lastAnswer?.blocks.some(({ type }) => type === 'tool_use')
  const first = lastAnswer?.blocks[0]?.type
  if (mustStartThinking && isInToolLoop && first !== 'thinking' && first !== 'redacted_thinking') {
    refuse(
      `${lastAnswer?.path}.content.0.type`,
      `expected \`thinking\` or \`redacted_thinking\`, but found \`${first}\``,
    )
  }
}
