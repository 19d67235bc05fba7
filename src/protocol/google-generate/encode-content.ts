/**
 * Writes the messages of a conversation as contents.
 *
 * Source: Google "Function calling" (the answers to all calls of a turn stand together in the next content; a turn that
 * calls follows one of the user) and "Thought signatures" (the first call of a turn must be signed on Gemini 3; traces
 * of other models carry a word that skips the check).
 */
import type { IrBlock, IrThinking, IrToolResult } from '../ir/block.ts'
import type { IrMessage, IrRequest } from '../ir/request.ts'
import { isMintedBy } from '../translation/seal.ts'
import type { WireObject } from '../wire-value.ts'
import { OWN_SIGNATURE } from './decode-part.ts'
import { type EncodedResult, encodePart, encodeResult, type PartTarget } from './encode-part.ts'
import { functionName } from './function-name.ts'
import { withRaw } from './wire-name.ts'

type Content = {
  readonly role: 'user' | 'model'
  readonly parts: WireObject[]
}

export interface ContentTarget extends PartTarget {
  readonly account: string
}

/** Stands in for a signature that nobody has. */
const UNSIGNED = 'skip_thought_signature_validator'

export function encodeContents(request: IrRequest, target: ContentTarget): WireObject[] {
  return target.isOwn ? ownContents(request, target) : turnContents(request, target)
}

/** Content by content, as they came. */
function ownContents({ messages }: IrRequest, target: ContentTarget): WireObject[] {
  return messages.flatMap((message, i): WireObject[] => {
    const path = `messages[${i}]`
    const content = { role: message.role === 'assistant' ? 'model' : 'user', parts: [] as WireObject[] }
    if (message.role === 'assistant') {
      const isComplete = encodeModelParts(message, path, content.parts, target)
      if (!isComplete) signFirstCall(content.parts)
    } else {
      message.blocks.forEach((block, j) => {
        const at = `${path}.content[${j}]`
        const part =
          block.type === 'tool-result'
            ? encodeResult(block, block.name ?? '', at, target).part
            : encodePart(block, at, target)
        if (part) content.parts.push(part)
      })
    }
    return content.parts.length === 0 ? [] : [withRaw(content, message.raw)]
  })
}

/** The user's side of a turn, until the model speaks again. */
interface UserTurn {
  readonly results: Map<string, EncodedResult>
  readonly others: WireObject[]
}

interface Conversation {
  readonly contents: Content[]
  /** The calls of the last turn: name by id. */
  open: Map<string, string>
  turn: UserTurn
}

/** Turns of user and model take each other's place; neighbours of one side become one content. */
function turnContents({ messages }: IrRequest, target: ContentTarget): Content[] {
  const conversation: Conversation = { contents: [], open: new Map(), turn: newTurn() }
  messages.forEach((message, i) => {
    const path = `messages[${i}]`
    if (message.name !== undefined) target.notes.droppedOnce('name', `${path}.name`)
    if (message.role === 'assistant') addModelMessage(conversation, message, path, target)
    else addUserMessage(conversation, message, path, target)
  })
  closeTurn(conversation, target)
  const { contents } = conversation
  for (const { role, parts } of contents) if (role === 'model') signFirstCall(parts)
  const [first] = contents
  if (first?.role === 'model' && first.parts.some((part) => 'functionCall' in part)) {
    target.notes.changed('messages[0]', 'a user turn before it')
    contents.unshift({ role: 'user', parts: [{ text: 'Continue.' }] })
  }
  return contents
}

function newTurn(): UserTurn {
  return { results: new Map(), others: [] }
}

function closeTurn(conversation: Conversation, target: ContentTarget): void {
  const { turn, open } = conversation
  if (turn.results.size === 0 && turn.others.length === 0) return
  conversation.contents.push({ role: 'user', parts: turnParts(turn, open, target) })
  conversation.turn = newTurn()
  conversation.open = new Map()
}

function addModelMessage(conversation: Conversation, message: IrMessage, path: string, target: ContentTarget): void {
  const parts: WireObject[] = []
  encodeModelParts(message, path, parts, target)
  // A turn that says nothing to this model divides nothing.
  if (parts.length === 0) return
  closeTurn(conversation, target)
  const last = conversation.contents.at(-1)
  if (last?.role === 'model') for (const part of parts) last.parts.push(part)
  else conversation.contents.push({ role: 'model', parts })
  for (const block of message.blocks) {
    if (block.type === 'tool-call') conversation.open.set(block.id, functionName(block))
  }
}

function addUserMessage(conversation: Conversation, message: IrMessage, path: string, target: ContentTarget): void {
  const { role, blocks } = message
  if (role === 'system') target.notes.changed(path, 'sent as text of the user')
  blocks.forEach((block, j) => {
    const at = `${path}.content[${j}]`
    if (block.type === 'tool-result') addResult(conversation, block, at, target)
    else {
      const part = encodePart(wrapped(block, role), at, target)
      if (part) conversation.turn.others.push(part)
    }
  })
}

function wrapped(block: IrBlock, role: IrMessage['role']): IrBlock {
  return role === 'system' && block.type === 'text' ? { type: 'text', text: `<system>${block.text}</system>` } : block
}

/** A result without its call is told as text: Google refuses it in its own place. */
function addResult({ turn, open }: Conversation, result: IrToolResult, path: string, target: ContentTarget): void {
  const name = open.get(result.id)
  const encoded = encodeResult(result, name ?? result.name ?? 'tool', path, target)
  if (name !== undefined && !turn.results.has(result.id)) {
    turn.results.set(result.id, encoded)
    return
  }
  target.notes.changed(path, 'a result without its call, sent as text')
  const texts = result.content.flatMap((block) => (block.type === 'text' ? [block.text] : []))
  turn.others.push({ text: `Result of ${result.name ?? 'a tool'}:\n${texts.join('\n')}` })
  for (const part of encoded.beside) turn.others.push(part)
}

/** Answers come first, in the order of the calls; each call must have one. */
function turnParts(turn: UserTurn, open: ReadonlyMap<string, string>, { notes }: ContentTarget): WireObject[] {
  const answers: WireObject[] = []
  const beside: WireObject[] = []
  for (const [id, name] of open) {
    const result = turn.results.get(id)
    if (!result) notes.changed('messages', `no result of ${id}`)
    answers.push(result?.part ?? { functionResponse: { id, name, response: { error: 'No result was given.' } } })
    for (const part of result?.beside ?? []) beside.push(part)
  }
  return [...answers, ...beside, ...turn.others]
}

function signFirstCall(parts: WireObject[]): void {
  const at = parts.findIndex((part) => 'functionCall' in part)
  const first = parts[at]
  if (first && first.thoughtSignature === undefined) parts[at] = { ...first, thoughtSignature: UNSIGNED }
}

/** Adds a model's parts, each with the signature that stands before it; false when thoughts were left out. */
function encodeModelParts({ blocks }: IrMessage, path: string, parts: WireObject[], target: ContentTarget): boolean {
  const unsigned = textsBeforeUnsignedCall(blocks)
  let isComplete = true
  let signature: string | null = null
  const flush = (): void => {
    if (signature !== null) parts.push({ text: '', thoughtSignature: signature })
    signature = null
  }
  blocks.forEach((block, j) => {
    const at = `${path}.content[${j}]`
    if (block.type === 'thinking' || block.type === 'redacted-thinking') {
      if (block.type === 'redacted-thinking' || !isMintedBy(block.mint, 'google-generate', target.account)) {
        target.notes.droppedOnce('thinking', at, 'reasoning of another model')
        isComplete = false
        return
      }
      flush()
      signature = addThought(parts, block, target.isOwn)
      return
    }
    if (block.type === 'opaque') flush()
    const part = encodePart(block, at, target)
    if (!part) return
    const isHeld = signature !== null && !target.isOwn && unsigned.has(block)
    if (signature !== null && !isHeld) {
      parts.push({ ...part, thoughtSignature: signature })
      signature = null
    } else parts.push(part)
  })
  flush()
  return isComplete
}

/** Returns the signature that belongs to the next part. */
function addThought(parts: WireObject[], { text, signature, raw }: IrThinking, isOwn: boolean): string | null {
  const signed = signature === '' ? null : signature
  const { [OWN_SIGNATURE]: hasOwn, ...members } = isOwn && raw ? raw : ({} as WireObject)
  if (hasOwn === true) {
    parts.push({ text, thought: true, ...(signed !== null && { thoughtSignature: signed }), ...members })
    return null
  }
  if (text !== '') parts.push({ text, thought: true, ...members })
  return signed
}

/**
 * Google signs the call, not the words before it; clients of other protocols give the reasoning back at the beginning
 * of a turn.
 */
function textsBeforeUnsignedCall(blocks: readonly IrBlock[]): ReadonlySet<IrBlock> {
  const texts = new Set<IrBlock>()
  let isCallNext = false
  for (let i = blocks.length - 1; i >= 0; i -= 1) {
    const block = blocks[i] as IrBlock
    if (block.type === 'tool-call') isCallNext = true
    else if (isSigned(block)) isCallNext = false
    else if (block.type === 'text' && isCallNext) texts.add(block)
  }
  return texts
}

function isSigned(block: IrBlock): boolean {
  return block.type === 'thinking' && Boolean(block.signature)
}
