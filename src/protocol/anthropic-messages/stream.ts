/**
 * Reads the events of a streamed Messages reply as they pass by.
 *
 * Source: Anthropic "Streaming Messages" (message_start … message_delta, message_stop; `error` at any point ends it)
 * and captured streams: Kimi's message_delta can lack `delta`, message_start can already hold content and a stop
 * reason, OpenRouter and the OpenCode gateway send more after message_stop.
 */
import {
  addDelivered,
  type Delivered,
  type EventReader,
  estimateTokens,
  hasOutput,
  nothingDelivered,
  outputSoFar,
  type Verdict,
} from '../event-reader.ts'
import { createSpotted, type Spotted, spot } from '../event-spotter.ts'
import type { ReplyError, ReplySummary } from '../reply-summary.ts'
import type { SseBlock } from '../sse.ts'
import { asArray, asCount, asName, asObject, parseJson, type WireObject } from '../wire-value.ts'
import { addContentBlock } from './content-block.ts'
import { endMessageEarly } from './early-end.ts'
import { readMessagesError } from './error.ts'
import { readMessagesFinish } from './finish.ts'
import { type MessagesCounters, mergeUsage, NO_COUNTERS, readMessagesUsage } from './usage.ts'

interface MessagesState {
  readonly found: Spotted
  readonly delivered: Delivered
  hasStarted: boolean
  /** Indexes of the blocks that have started and not stopped. */
  readonly open: Set<number>
  counters: MessagesCounters
  /** message_delta has counted the output. */
  usageIsFinal: boolean
  stopReason: string | null
  upstreamId: string | null
  error: ReplyError | null
}

export function createMessagesReader(): EventReader {
  const state: MessagesState = {
    found: createSpotted(),
    delivered: nothingDelivered(),
    hasStarted: false,
    open: new Set(),
    counters: NO_COUNTERS,
    usageIsFinal: false,
    stopReason: null,
    upstreamId: null,
    error: null,
  }
  return {
    onEvent: (block) => onEvent(state, block),
    mayEnd: () => false,
    summary: () => summarise(state),
    outputTokens: () => outputSoFar(state.delivered, readMessagesUsage(state.counters)),
    namedFinish: () => readMessagesFinish(state.stopReason),
    endEarly: (end) =>
      endMessageEarly({ hasStarted: state.hasStarted, open: state.open, summary: summarise(state) }, end),
  }
}

type Handler = (state: MessagesState, event: WireObject) => Verdict

/** Only these events are parsed. */
const HANDLERS: ReadonlyMap<string, Handler> = new Map([
  ['message_start', onMessageStart],
  ['content_block_start', onBlockStart],
  ['content_block_stop', onBlockStop],
  ['message_delta', onMessageDelta],
  ['message_stop', onMessageStop],
  ['error', onError],
])

function onEvent(state: MessagesState, block: SseBlock): Verdict {
  const { found } = state
  const { data, dataStart, dataEnd } = block
  spot(data, dataStart, dataEnd, found)
  addDelivered(state.delivered, found)
  const handler =
    HANDLERS.get(block.name ?? '') ?? HANDLERS.get(data.toString('latin1', found.typeStart, found.typeEnd))
  if (!handler) return 'pass'
  const event = asObject(parseJson(data, dataStart, dataEnd))
  if (event) return handler(state, event)
  // Clients see the end by its name even when its data is broken, unless it was cut off.
  const isEnd = handler === onMessageStop || handler === onError
  return isEnd && block.isTerminated ? handler(state, {}) : 'pass'
}

function onMessageStart(state: MessagesState, event: WireObject): Verdict {
  const message = asObject(event.message)
  if (!message) return 'pass'
  state.hasStarted = true
  state.upstreamId ??= asName(message.id)
  state.counters = mergeUsage(state.counters, message.usage)
  const stopReason = asName(message.stop_reason)
  // A start that has stopped already is a whole answer (a container goes on by itself), and so is its usage.
  state.usageIsFinal ||= stopReason !== null && asObject(message.usage) !== null
  state.stopReason = stopReason ?? state.stopReason
  for (const block of asArray(message.content)) addContentBlock(state.delivered, asObject(block))
  return 'pass'
}

function onBlockStart(state: MessagesState, event: WireObject): Verdict {
  addContentBlock(state.delivered, asObject(event.content_block))
  state.open.add(asCount(event.index) ?? 0)
  return 'pass'
}

function onBlockStop(state: MessagesState, event: WireObject): Verdict {
  state.open.delete(asCount(event.index) ?? 0)
  return 'pass'
}

function onMessageDelta(state: MessagesState, event: WireObject): Verdict {
  state.counters = mergeUsage(state.counters, event.usage)
  state.usageIsFinal ||= typeof asObject(event.usage)?.output_tokens === 'number'
  state.stopReason = asName(asObject(event.delta)?.stop_reason) ?? state.stopReason
  return 'pass'
}

function onMessageStop(): Verdict {
  return 'complete'
}

function onError(state: MessagesState, event: WireObject): Verdict {
  state.error = readMessagesError(event) ?? { type: null, code: null, message: null, status: null }
  return 'error'
}

function summarise(state: MessagesState): ReplySummary {
  return {
    usage: readMessagesUsage(state.counters),
    usageIsFinal: state.usageIsFinal,
    finish: readMessagesFinish(state.stopReason),
    hasOutput: hasOutput(state.delivered),
    deliveredTokens: estimateTokens(state.delivered),
    upstreamId: state.upstreamId,
    error: state.error,
  }
}
