/** Thoughts of a reply, collected as its events pass by, and put back into a request whose client dropped them. */
import { createHash } from 'node:crypto'
import type { Protocol } from '../../base/words.ts'
import type { IrBlock, Mint } from '../ir/block.ts'
import type { IrEvent } from '../ir/event.ts'
import type { IrMessage, IrRequest } from '../ir/request.ts'
import type { IrThought } from './bundle.ts'
import { isMintedBy } from './seal.ts'

export interface ThoughtCollector {
  add(event: IrEvent): void
  /** The calls of the reply, each with the thoughts that stand between it and the call before. */
  turns(): readonly { readonly callIds: readonly string[]; readonly thoughts: readonly IrThought[] }[]
}

interface OpenThought {
  readonly text: string[]
}

/** Parallel calls follow the thoughts of the first one: they share them. */
export function createThoughtCollector(mint: Mint): ThoughtCollector {
  const turns: { callIds: string[]; thoughts: IrThought[] }[] = []
  const open = new Map<number, OpenThought>()
  let thoughts: IrThought[] = []
  let takesCalls = false

  function addThought(thought: IrThought): void {
    if (takesCalls) thoughts = []
    takesCalls = false
    thoughts.push(thought)
  }

  return {
    add(event) {
      switch (event.type) {
        case 'thinking-start':
          open.set(event.block, { text: [] })
          return
        case 'thinking-delta':
          open.get(event.block)?.text.push(event.text)
          return
        case 'thinking-end': {
          const text = open.get(event.block)?.text.join('') ?? ''
          open.delete(event.block)
          const { signature, raw } = event
          addThought({ type: 'thinking', text, signature, mint, ...(raw && { raw }) })
          return
        }
        case 'block':
          if (event.value.type === 'redacted-thinking') addThought({ ...event.value, mint })
          return
        case 'tool-call-start':
          if (takesCalls) turns.at(-1)?.callIds.push(event.id)
          else if (thoughts.length > 0) {
            takesCalls = true
            turns.push({ callIds: [event.id], thoughts })
          }
          return
        default:
      }
    },
    turns: () => turns,
  }
}

export type Recall = (callId: string) => readonly IrThought[] | null

/**
 * The request with the thoughts back that `recall` knows of calls whose message carries none that its upstream could
 * read. The same request when nothing is missing.
 */
export function restoreThoughts(request: IrRequest, recall: Recall): IrRequest {
  let isChanged = false
  const messages = request.messages.map((message) => {
    const restored = message.role === 'assistant' ? restoredMessage(message, recall) : message
    isChanged ||= restored !== message
    return restored
  })
  return isChanged ? { ...request, messages } : request
}

function restoredMessage(message: IrMessage, recall: Recall): IrMessage {
  if (message.blocks.some((block) => isThought(block) && block.mint?.account)) return message
  const calls = new Map<IrBlock, readonly IrThought[]>()
  let last: readonly IrThought[] | null = null
  for (const block of message.blocks) {
    const known = block.type === 'tool-call' ? recall(block.id) : null
    if (known && known !== last) calls.set(block, known)
    last = known ?? last
  }
  if (calls.size === 0) return message
  // What the client sent of it without a signature says less than what is remembered.
  const blocks: IrBlock[] = message.blocks.filter((block) => !isThought(block))
  for (const [call, thoughts] of calls) blocks.splice(placeOf(thoughts, blocks, call), 0, ...thoughts)
  return { ...message, blocks }
}

function isThought(block: IrBlock): block is IrThought {
  return block.type === 'thinking' || block.type === 'redacted-thinking'
}

/** Google signs the call itself; everybody else thinks before the text of the turn. */
function placeOf(thoughts: readonly IrThought[], blocks: readonly IrBlock[], call: IrBlock): number {
  const callAt = blocks.indexOf(call)
  if (thoughts[0]?.mint?.protocol === 'google-generate') return callAt
  const isFirstCall = !blocks.slice(0, callAt).some((block) => block.type === 'tool-call')
  return isFirstCall ? 0 : callAt
}

/** The request with the account named on each signature that came without a seal, where `signer` knows it. */
export function signedBy(request: IrRequest, signer: (token: string) => string | null): IrRequest {
  let isChanged = false
  const messages = request.messages.map((message) => {
    const blocks = message.blocks.map((block) => {
      if (!isThought(block) || !block.mint || block.mint.account !== null) return block
      const token = block.type === 'thinking' ? block.signature : block.data
      const account = token ? signer(token) : null
      if (account === null) return block
      isChanged = true
      return { ...block, mint: { ...block.mint, account } }
    })
    return { ...message, blocks }
  })
  return isChanged ? { ...request, messages } : request
}

/** Whether it holds thoughts that this account did not make. */
export function hasForeignThoughts(request: IrRequest, protocol: Protocol, account: string): boolean {
  return request.messages.some(({ blocks }) =>
    blocks.some((block) => isThought(block) && block.mint !== null && !isMintedBy(block.mint, protocol, account)),
  )
}

/** Whether some turn that called tools comes back without a word on its reasoning, not even an empty one. */
export function lacksThoughts(request: IrRequest): boolean {
  return request.messages.some(
    ({ role, blocks, raw }) =>
      role === 'assistant' &&
      blocks.some((block) => block.type === 'tool-call') &&
      !blocks.some(isThought) &&
      raw?.reasoning_content === undefined &&
      raw?.reasoning === undefined,
  )
}

const OPENING_CHARACTERS = 4096

/**
 * A tag of the conversation a request belongs to: of the user's first words, which every later request repeats. The
 * system prompt is none of it, since agents write counters and times into theirs.
 */
export function conversationOf({ messages }: IrRequest): string {
  const hash = createHash('sha256')
  const opening = messages.find(({ role }) => role === 'user')
  for (const block of opening?.blocks ?? []) {
    if (block.type === 'text') hash.update(`${block.text.slice(0, OPENING_CHARACTERS)}\n`)
  }
  return hash.digest('base64url').slice(0, 22)
}
