/** Reads what a reply that came whole amounted to. */
import type { Protocol } from '../base/words.ts'
import { readMessagesReply } from './anthropic-messages/reply.ts'
import { readGoogleReply } from './google-generate/reply.ts'
import { readChatReply } from './openai-chat/reply.ts'
import { readResponsesReply } from './openai-responses/reply.ts'
import type { WholeReply } from './reply-summary.ts'
import { asObject, parseJson } from './wire-value.ts'

const READERS: Readonly<Record<Protocol, (body: unknown) => WholeReply>> = {
  'openai-chat': (body) => readChatReply(asObject(body) ?? {}),
  'openai-responses': (body) => readResponsesReply(asObject(body) ?? {}),
  'anthropic-messages': (body) => readMessagesReply(asObject(body) ?? {}),
  // A stream that came whole is a list of its chunks.
  'google-generate': readGoogleReply,
}

export function readReply(protocol: Protocol, body: Buffer): WholeReply {
  return READERS[protocol](parseJson(body))
}
