/** Reads what a reply that came whole amounted to. */
import { readMessagesReply } from './anthropic-messages/reply.ts'
import { readChatReply } from './openai-chat/reply.ts'
import type { RelayProtocol } from './relay-protocol.ts'
import type { WholeReply } from './reply-summary.ts'
import { asObject, parseJson } from './wire-value.ts'

export function readReply(protocol: RelayProtocol, body: Buffer): WholeReply {
  const wire = asObject(parseJson(body)) ?? {}
  return protocol === 'openai-chat' ? readChatReply(wire) : readMessagesReply(wire)
}
