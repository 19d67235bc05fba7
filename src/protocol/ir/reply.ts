/** A whole reply in one form for all four protocols, and its way to and from the events of a stream. */
import type { Usage } from '../../base/usage.ts'
import type { IrBlock, IrCitation, IrToolCall } from './block.ts'
import type { IrEvent, IrFinish } from './event.ts'

export interface IrReply {
  /** The upstream's own id; null when it gave none. */
  readonly id: string | null
  /** The upstream's own name of the model. */
  readonly model: string | null
  /** Of the first answer, when several were given. */
  readonly blocks: readonly IrBlock[]
  /** Null when the wire names no reason: the reply was cut. */
  readonly finish: IrFinish | null
  readonly usage: Usage | null
}

/** The events that a stream of the same reply would have had. */
export function replyToEvents(reply: IrReply): IrEvent[] {
  const events: IrEvent[] = [{ type: 'reply-start', id: reply.id, model: reply.model }]
  reply.blocks.forEach((block, index) => {
    addBlockEvents(events, block, index)
  })
  if (reply.usage) events.push({ type: 'usage', usage: reply.usage })
  if (reply.finish) events.push({ type: 'finish', ...reply.finish })
  return events
}

function addBlockEvents(events: IrEvent[], value: IrBlock, block: number): void {
  switch (value.type) {
    case 'text':
      events.push({
        type: 'text-start',
        block,
        ...(value.isRefusal && { isRefusal: true }),
        ...(value.raw && { raw: value.raw }),
      })
      if (value.text !== '') events.push({ type: 'text-delta', block, text: value.text })
      for (const citation of value.citations ?? []) events.push({ type: 'citation', block, citation })
      events.push({ type: 'text-end', block })
      return
    case 'thinking':
      events.push({ type: 'thinking-start', block })
      if (value.text !== '') events.push({ type: 'thinking-delta', block, text: value.text })
      events.push({ type: 'thinking-end', block, signature: value.signature, ...(value.raw && { raw: value.raw }) })
      return
    case 'tool-call': {
      const { id, name, kind, namespace } = value
      events.push({ type: 'tool-call-start', block, id, name, kind, ...(namespace !== undefined && { namespace }) })
      if (value.input !== '') events.push({ type: 'tool-call-delta', block, text: value.input })
      events.push({ type: 'tool-call-end', block })
      return
    }
    case 'redacted-thinking':
    case 'image':
    case 'audio':
    case 'opaque':
      events.push({ type: 'block', block, value })
      return
    case 'document':
    case 'tool-result':
      // No model answers with these.
      return
  }
}

interface OpenBlock {
  value: IrBlock
  text: string[]
  citations?: IrCitation[]
}

/** Collects the events of a stream into the reply they amount to. */
export interface ReplyCollector {
  add(event: IrEvent): void
  reply(): IrReply
}

export function createReplyCollector(): ReplyCollector {
  const blocks = new Map<number, OpenBlock>()
  let id: string | null = null
  let model: string | null = null
  let finish: IrFinish | null = null
  let usage: Usage | null = null
  return {
    add(event) {
      switch (event.type) {
        case 'reply-start':
          id = event.id ?? id
          model = event.model ?? model
          return
        case 'usage':
          usage = event.usage
          return
        case 'finish':
          finish = { finish: event.finish, raw: event.raw, stopSequence: event.stopSequence }
          return
        default:
          addToBlock(blocks, event)
      }
    },
    reply() {
      const ordered = [...blocks].sort(([a], [b]) => a - b).map(([, open]) => closed(open))
      return { id, model, blocks: ordered, finish, usage }
    },
  }
}

type BlockEvent = Exclude<IrEvent, { type: 'reply-start' | 'usage' | 'finish' }>

function addToBlock(blocks: Map<number, OpenBlock>, event: BlockEvent): void {
  const open = blocks.get(event.block)
  switch (event.type) {
    case 'text-start':
      blocks.set(event.block, {
        value: {
          type: 'text',
          text: '',
          ...(event.isRefusal && { isRefusal: true }),
          ...(event.raw && { raw: event.raw }),
        },
        text: [],
      })
      return
    case 'thinking-start':
      blocks.set(event.block, { value: { type: 'thinking', text: '', signature: null, mint: null }, text: [] })
      return
    case 'tool-call-start': {
      const { id, name, kind, namespace } = event
      const value: IrToolCall = {
        type: 'tool-call',
        id,
        name,
        kind,
        input: '',
        ...(namespace !== undefined && { namespace }),
      }
      blocks.set(event.block, { value, text: [] })
      return
    }
    case 'block':
      blocks.set(event.block, { value: event.value, text: [] })
      return
    case 'text-delta':
    case 'thinking-delta':
    case 'tool-call-delta':
      open?.text.push(event.text)
      return
    case 'citation':
      if (open?.value.type === 'text') {
        open.citations ??= []
        open.citations.push(event.citation)
      }
      return
    case 'thinking-end':
      if (open?.value.type === 'thinking') {
        open.value = { ...open.value, signature: event.signature, ...(event.raw && { raw: event.raw }) }
      }
      return
    case 'text-end':
    case 'tool-call-end':
      return
  }
}

function closed({ value, text, citations }: OpenBlock): IrBlock {
  switch (value.type) {
    case 'text':
      return { ...value, text: text.join(''), ...(citations && { citations }) }
    case 'thinking':
      return { ...value, text: text.join('') }
    case 'tool-call':
      return { ...value, input: text.join('') }
    default:
      return value
  }
}
