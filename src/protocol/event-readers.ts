/** The reader of each protocol's events and the scanner of each form of stream. */
import type { Protocol } from '../base/words.ts'
import { createMessagesReader } from './anthropic-messages/stream.ts'
import type { EventReader } from './event-reader.ts'
import { createGoogleReader } from './google-generate/stream.ts'
import { createJsonArrayScanner } from './json-array.ts'
import { createChatReader } from './openai-chat/stream.ts'
import { createResponsesReader } from './openai-responses/stream.ts'
import { createSseScanner, type SseScanner, type SseScannerOptions } from './sse.ts'

/** `array`: the elements of one JSON array, as Google streams without `alt=sse`. */
export type StreamForm = 'sse' | 'array'

const READERS: Readonly<Record<Protocol, (stripUsage: boolean, answers: number) => EventReader>> = {
  'openai-chat': createChatReader,
  'openai-responses': createResponsesReader,
  'anthropic-messages': createMessagesReader,
  'google-generate': createGoogleReader,
}

/** `answers`: how many were asked for, all of which an early end has to end. */
export function createEventReader(protocol: Protocol, stripUsage: boolean, answers = 1): EventReader {
  return READERS[protocol](stripUsage, answers)
}

export function createScanner(form: StreamForm, options: SseScannerOptions): SseScanner {
  return form === 'sse' ? createSseScanner(options) : createJsonArrayScanner(options)
}
