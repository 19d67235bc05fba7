/** The rules of Responses about the items of its input: shapes, calls and their outputs, reasoning and what follows it. */
import type { WireObject } from '../../../src/protocol/wire-value.ts'
import {
  optional,
  readFilledList,
  readList,
  readMatch,
  readName,
  readObject,
  readOneOf,
  readOnly,
  readText,
  refuse,
} from './breach.ts'
import type { Mint } from './mint.ts'
import { OPENAI_NAME } from './openai-rules.ts'
import type { MintedItems } from './responses-rules.ts'

const MAX_CALL_ID = 64
const MAX_ITEM_ID = 64

interface Memory {
  readonly mint: Mint
  readonly minted: MintedItems
}

type ItemCheck = (item: WireObject, path: string, memory: Memory) => void

export function checkResponsesInput(input: unknown, mint: Mint, minted: MintedItems): void {
  if (typeof input === 'string') return void readName(input, 'input')
  const items = readFilledList(input, 'input').map((entry, i) => readObject(entry, `input[${i}]`))
  items.forEach((item, i) => {
    const path = `input[${i}]`
    const type = typeOf(item, path)
    const check = ITEMS[type]
    if (check === undefined) refuse(`${path}.type`, `"${type}" is no type of item`)
    check(item, path, { mint, minted })
  })
  checkPairs(items)
  checkFollowers(items, minted)
}

function typeOf(item: WireObject, path: string): string {
  return item.type === undefined && item.role !== undefined ? 'message' : readName(item.type, `${path}.type`)
}

/** @param prefix of the ids that the upstream gives this kind of item */
function checkItemId(item: WireObject, path: string, prefix: string): void {
  optional(item.id, `${path}.id`, (value, at) => {
    const id = readName(value, at)
    if (id.length > MAX_ITEM_ID) refuse(at, 'string too long', 'string_above_max_length')
    if (!id.startsWith(prefix)) refuse(at, `expected an ID that begins with '${prefix}'`, 'invalid_value')
  })
  optional(item.status, `${path}.status`, (value, at) =>
    readOneOf(value, at, ['in_progress', 'completed', 'incomplete']),
  )
}

function checkCallId(item: WireObject, path: string): void {
  const id = readName(item.call_id, `${path}.call_id`)
  if (id.length > MAX_CALL_ID) refuse(`${path}.call_id`, `longer than ${MAX_CALL_ID}`, 'string_above_max_length')
}

function checkMessage(item: WireObject, path: string): void {
  readOnly(item, path, ['type', 'id', 'role', 'content', 'status', 'phase'])
  const role = readOneOf(item.role, `${path}.role`, ['user', 'assistant', 'system', 'developer'])
  if (typeof item.content === 'string') return
  if (role === 'assistant') checkItemId(item, path, 'msg')
  const types = role === 'assistant' ? ['output_text', 'refusal'] : ['input_text', 'input_image', 'input_file']
  readFilledList(item.content, `${path}.content`).forEach((entry, i) => {
    checkPart(entry, `${path}.content[${i}]`, types)
  })
}

function checkPart(entry: unknown, path: string, types: readonly string[]): void {
  const part = readObject(entry, path)
  switch (readOneOf(part.type, `${path}.type`, types)) {
    case 'input_text':
      readOnly(part, path, ['type', 'text'])
      readText(part.text, `${path}.text`)
      return
    case 'output_text':
      readOnly(part, path, ['type', 'text', 'annotations', 'logprobs'])
      readText(part.text, `${path}.text`)
      return
    case 'refusal':
      readOnly(part, path, ['type', 'refusal'])
      readText(part.refusal, `${path}.refusal`)
      return
    case 'input_image':
      readOnly(part, path, ['type', 'image_url', 'file_id', 'detail'])
      if (part.file_id === undefined) {
        readMatch(part.image_url, `${path}.image_url`, /^(?:https?:\/\/|data:image\/(?:png|jpeg|gif|webp);base64,)/)
      }
      optional(part.detail, `${path}.detail`, (value, at) => readOneOf(value, at, ['auto', 'low', 'high']))
      return
    case 'input_file':
      readOnly(part, path, ['type', 'file_data', 'file_id', 'file_url', 'filename'])
  }
}

function checkFunctionCall(item: WireObject, path: string): void {
  readOnly(item, path, ['type', 'id', 'call_id', 'name', 'arguments', 'status', 'namespace'])
  checkItemId(item, path, 'fc')
  checkCallId(item, path)
  readMatch(item.name, `${path}.name`, OPENAI_NAME)
  readText(item.arguments, `${path}.arguments`)
}

function checkOutput(item: WireObject, path: string): void {
  readOnly(item, path, ['type', 'id', 'call_id', 'output', 'status'])
  checkCallId(item, path)
  if (typeof item.output === 'string') return
  readList(item.output, `${path}.output`).forEach((entry, i) => {
    checkPart(entry, `${path}.output[${i}]`, ['input_text', 'input_image', 'input_file'])
  })
}

function checkCustomCall(item: WireObject, path: string): void {
  readOnly(item, path, ['type', 'id', 'call_id', 'name', 'input', 'status', 'namespace'])
  checkItemId(item, path, 'ctc')
  checkCallId(item, path)
  readText(item.input, `${path}.input`)
}

function checkReasoning(item: WireObject, path: string, { mint }: Memory): void {
  readOnly(item, path, ['type', 'id', 'summary', 'content', 'encrypted_content', 'status'])
  checkItemId(item, path, 'rs')
  readList(item.summary, `${path}.summary`).forEach((entry, i) => {
    const at = `${path}.summary[${i}]`
    const part = readOnly(entry, at, ['type', 'text'])
    readOneOf(part.type, `${at}.type`, ['summary_text'])
    readText(part.text, `${at}.text`)
  })
  if (item.encrypted_content === undefined) {
    refuse(path, `item with id '${item.id}' not found; items are not persisted when store is false`)
  }
  const made = mint.made(readName(item.encrypted_content, `${path}.encrypted_content`))
  if (made === null) {
    refuse(path, 'the encrypted content could not be verified', 'invalid_encrypted_content')
  }
  if (item.id !== undefined && item.id !== made) {
    refuse(path, 'encrypted content item_id did not match the target item id', 'invalid_encrypted_content')
  }
}

const ITEMS: Readonly<Record<string, ItemCheck>> = {
  message: checkMessage,
  function_call: checkFunctionCall,
  function_call_output: checkOutput,
  custom_tool_call: checkCustomCall,
  custom_tool_call_output: checkOutput,
  reasoning: checkReasoning,
}

const OUTPUT_OF: Readonly<Record<string, string>> = {
  function_call: 'function_call_output',
  custom_tool_call: 'custom_tool_call_output',
}

function checkPairs(items: readonly WireObject[]): void {
  items.forEach((item, i) => {
    const { type, call_id } = item
    const output = OUTPUT_OF[String(type)]
    if (
      output !== undefined &&
      !items.slice(i + 1).some((other) => other.type === output && other.call_id === call_id)
    ) {
      refuse('input', `no tool output found for function call ${call_id}`)
    }
    const [call] = Object.entries(OUTPUT_OF).find(([, answer]) => answer === type) ?? []
    if (call !== undefined && !items.slice(0, i).some((other) => other.type === call && other.call_id === call_id)) {
      refuse('input', `no tool call found for function call output with call_id ${call_id}`)
    }
  })
}

/** Reasoning must be followed by what it led to; what was made after reasoning must, by its id, come with it. */
function checkFollowers(items: readonly WireObject[], { reasoningOf }: MintedItems): void {
  items.forEach((item, i) => {
    const next = items[i + 1]
    if (item.type === 'reasoning' && (next === undefined || !isModelMade(next))) {
      refuse(`input[${i}]`, `item '${item.id}' of type 'reasoning' was provided without its required following item`)
    }
    const needed = reasoningOf.get(String(item.id))
    const before = items[i - 1]
    if (needed !== undefined && before?.type !== 'reasoning') {
      refuse(`input[${i}]`, `item '${item.id}' was provided without its required 'reasoning' item: '${needed}'`)
    }
  })
}

function isModelMade(item: WireObject): boolean {
  return item.role === 'assistant' || /_call$|^reasoning$/.test(String(item.type))
}
