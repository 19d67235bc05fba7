/**
 * Ends a streamed reply before its model has ended it: in the form of a reply that met its cap on output, which clients
 * know how to go on from, with the true reason beside it in a member that they pass over.
 */
import { NO_USAGE, type Usage } from '../base/usage.ts'
import type { StreamForm } from './event-readers.ts'
import { frameText } from './frame-text.ts'
import type { ReplySummary } from './reply-summary.ts'
import type { WireObject } from './wire-value.ts'

/** Why the reply is ended; its client is told so. */
export interface EndDetail {
  /** A word that programs can tell it by. */
  readonly code: string
  readonly message: string
}

export interface PoliteEnd extends EndDetail {
  /** Size of the prompt, to be told where the upstream has counted nothing yet; absent: not known. */
  readonly promptTokens?: number | undefined
  /** For replies that have not begun: the id, the model as the client named it, the time. */
  readonly requestId: string
  readonly model: string
  readonly nowMs: number
}

/** One event, before it is framed. */
export interface Frame {
  /** Of the `event:` line; null: none. */
  readonly name: string | null
  /** JSON, or chat's `[DONE]`. */
  readonly data: string
}

export function dataFrame(data: object, name: string | null = null): Frame {
  return { name, data: JSON.stringify(data) }
}

/** The member that carries the reason. */
export function noticeOf({ code, message }: EndDetail): WireObject {
  return { zendo: { code, message } }
}

/** What is known of the tokens in the middle of a reply: counted by the upstream, or estimated from what was delivered. */
export function usageSoFar(
  { usage, usageIsFinal, deliveredTokens }: ReplySummary,
  { promptTokens = 0 }: Pick<PoliteEnd, 'promptTokens'>,
): Usage {
  if (usage === null) return { ...NO_USAGE, input: promptTokens, output: deliveredTokens }
  return usageIsFinal ? usage : { ...usage, output: Math.max(usage.output, deliveredTokens) }
}

/** Where an array stands: before its bracket, after it, after an element, after the comma that follows one. */
export type ArrayPlace = 'start' | 'opened' | 'element' | 'comma'

/** The frames as bytes, one buffer each; an array is closed. */
export function framesAsBytes(frames: readonly Frame[], form: StreamForm, place: ArrayPlace): Buffer[] {
  if (form === 'sse') return frames.map((frame) => Buffer.from(frameText(eventText(frame))))
  let before = { start: '[', opened: '', element: ',', comma: '' }[place]
  const elements = frames.map(({ data }) => {
    const text = before + data
    before = ','
    return Buffer.from(text)
  })
  return [...elements, Buffer.from(place === 'start' && frames.length === 0 ? '[]' : ']')]
}

function eventText({ name, data }: Frame): string {
  return `${name === null ? '' : `event: ${name}\n`}data: ${data}\n\n`
}
