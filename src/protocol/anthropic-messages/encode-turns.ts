/**
 * Brings the messages of another protocol into the order that Anthropic insists on.
 *
 * Source: Anthropic "Tool use" (the results of a turn's calls stand first in the one user message that follows it),
 * "Mid-conversation system messages" (after a user message, and last or before an assistant's), and the API's own
 * error texts: unique tool ids of a small alphabet, a user message first, no assistant message that ends with
 * thinking, none at the end that ends with blanks.
 */
import { asArray, asText } from '../wire-value.ts'
import { fieldOf, type RequestWork, type WireDraft, type WireMessage, warn } from './encode-work.ts'

interface Turn {
  readonly role: 'user' | 'assistant'
  blocks: WireDraft[]
  /** Texts of `system` messages that go behind a user's. */
  readonly system: WireDraft[]
  readonly index: number
}

/** The messages in that order. Ids of calls and results are replaced in place. */
export function orderTurns(work: RequestWork, messages: readonly WireMessage[]): WireMessage[] {
  const turns = merged(withoutLastThoughts(work, merged(turnsOf(messages))))
  pairResults(work, turns)
  trimEnd(turns)
  const first = turns[0]
  if (first?.role === 'assistant') {
    warn(work, 'changed', `${fieldOf(work, 'messages')}[${first.index}]`, 'the conversation must begin with a user')
    turns.unshift(newTurn('user', 0, [{ type: 'text', text: 'Continue.' }]))
  }
  return turns.flatMap((turn) => messagesOf(work, turn))
}

function newTurn(role: Turn['role'], index: number, blocks: WireDraft[] = []): Turn {
  return { role, blocks, system: [], index }
}

function turnsOf(messages: readonly WireMessage[]): Turn[] {
  return messages.map(({ role, blocks, index }) =>
    role === 'system' ? { ...newTurn('user', index), system: [...blocks] } : newTurn(role, index, [...blocks]),
  )
}

/** Neighbours of one role together; turns without content left out. */
function merged(turns: readonly Turn[]): Turn[] {
  const out: Turn[] = []
  for (const turn of turns) {
    if (turn.blocks.length === 0 && turn.system.length === 0) continue
    const last = out.at(-1)
    if (last?.role === turn.role) {
      for (const block of turn.blocks) last.blocks.push(block)
      for (const text of turn.system) last.system.push(text)
    } else out.push(turn)
  }
  return out
}

function withoutLastThoughts(work: RequestWork, turns: Turn[]): Turn[] {
  for (const { role, blocks, index } of turns) {
    if (role !== 'assistant' || !isThought(blocks.at(-1))) continue
    while (isThought(blocks.at(-1))) blocks.pop()
    warn(work, 'dropped', `${fieldOf(work, 'messages')}[${index}]`, 'thoughts that nothing follows')
  }
  return turns
}

export function isThought(block: WireDraft | undefined): boolean {
  return block?.type === 'thinking' || block?.type === 'redacted_thinking'
}

/** Gives each call its result at the head of the next message, and each pair an id that is legal and its own. */
function pairResults(work: RequestWork, turns: Turn[]): void {
  const ids: TakenIds = { taken: new Set(), last: new Map() }
  for (let i = 0; i < turns.length; i += 1) {
    const turn = turns[i] as Turn
    if (turn.role === 'user') {
      // Only after a user's turn at the beginning: others were seen to with the assistant's before them.
      if (i === 0) turn.blocks = turn.blocks.flatMap((block) => withoutCall(work, block, turn))
      continue
    }
    const calls = turn.blocks.filter(({ type }) => type === 'tool_use')
    const next = turns[i + 1]
    if (next) takeResults(work, calls, turn, next, ids)
    else if (calls.length > 0) {
      const added = newTurn('user', turn.index)
      turns.push(added)
      takeResults(work, calls, turn, added, ids)
    }
  }
}

function takeResults(work: RequestWork, calls: readonly WireDraft[], turn: Turn, next: Turn, ids: TakenIds): void {
  const results = new Map<unknown, { blocks: WireDraft[]; at: number }>()
  for (const block of next.blocks) {
    if (block.type !== 'tool_result') continue
    const same = results.get(block.tool_use_id)
    if (same) same.blocks.push(block)
    else results.set(block.tool_use_id, { blocks: [block], at: 0 })
  }
  const taken = new Set<WireDraft>()
  for (const call of calls) {
    const same = results.get(call.id)
    const result = same?.blocks[same.at++] ?? missingResult(work, turn)
    const id = legalId(String(call.id), ids)
    call.id = id
    result.tool_use_id = id
    taken.add(result)
  }
  const rest = next.blocks.filter((block) => !taken.has(block)).flatMap((block) => withoutCall(work, block, next))
  next.blocks = [...taken, ...rest]
}

function missingResult(work: RequestWork, turn: Turn): WireDraft {
  warn(work, 'changed', `${fieldOf(work, 'messages')}[${turn.index}]`, 'a call without a result')
  return { type: 'tool_result', tool_use_id: '', content: 'The tool gave no result.', is_error: true }
}

/** A result that answers no call of the turn before is told as text. */
function withoutCall(work: RequestWork, block: WireDraft, turn: Turn): WireDraft[] {
  if (block.type !== 'tool_result') return [block]
  warn(work, 'changed', `${fieldOf(work, 'messages')}[${turn.index}]`, 'a result without its call became text')
  const parts = asArray(block.content) as readonly WireDraft[]
  const text = asText(block.content) ?? parts.map((part) => asText(part.text) ?? '').join('\n')
  const others = parts.filter(({ type }) => type !== 'text')
  return [{ type: 'text', text: `Result of an earlier tool call:\n${text}`.trimEnd() }, ...others]
}

const MAX_ID_LENGTH = 128
const ID_LENGTH_KEPT = 100

interface TakenIds {
  readonly taken: Set<string>
  /** The last number that was tried for ids that are alike. */
  readonly last: Map<string, number>
}

/** The id itself when it is legal and not taken; a replacement is the same each time the conversation comes. */
function legalId(id: string, { taken, last }: TakenIds): string {
  const clean = id.replace(/[^a-zA-Z0-9_-]/g, '_')
  const base = clean.length > MAX_ID_LENGTH ? clean.slice(0, ID_LENGTH_KEPT) : clean
  const stem = base.slice(0, ID_LENGTH_KEPT)
  let legal = base
  let n = last.get(stem) ?? 1
  while (taken.has(legal)) legal = `${stem}_${++n}`
  if (legal !== base) last.set(stem, n)
  taken.add(legal)
  return legal
}

function trimEnd(turns: Turn[]): void {
  const last = turns.at(-1)
  const block = last?.blocks.at(-1)
  if (last?.role !== 'assistant' || block?.type !== 'text') return
  block.text = String(block.text).trimEnd()
}

function messagesOf(work: RequestWork, { role, blocks, system, index }: Turn): WireMessage[] {
  if (system.length === 0) return [{ role, blocks, index }]
  if (blocks.length > 0) {
    return [
      { role, blocks, index },
      { role: 'system', blocks: system, index },
    ]
  }
  // Right behind an assistant's message a `system` one is refused.
  return [{ role, blocks: asUserText(work, system, index), index }]
}

/** What a system message says, marked as such, for upstreams that take none in the middle. */
export function asUserText(work: RequestWork, blocks: readonly WireDraft[], index: number): WireDraft[] {
  warn(work, 'changed', `${fieldOf(work, 'messages')}[${index}]`, 'a system message became marked user text')
  return blocks.map((block) => {
    if (block.type === 'text') block.text = `<system>\n${block.text}\n</system>`
    return block
  })
}
