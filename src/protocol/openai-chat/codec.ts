/** Chat Completions: requests and replies to and from the IR. */
import type { Codec } from '../codec.ts'
import { asObject } from '../wire-value.ts'
import { decodeChatReply } from './decode-reply.ts'
import { decodeChatRequest } from './decode-request.ts'
import { createChatStreamDecoder } from './decode-stream.ts'
import { encodeChatReply } from './encode-reply.ts'
import { encodeChatRequest } from './encode-request.ts'
import { createChatStreamEncoder } from './encode-stream.ts'

export const chatCodec: Codec = {
  decodeRequest: decodeChatRequest,
  encodeRequest: encodeChatRequest,
  decodeReply: (body) => decodeChatReply(asObject(body) ?? {}),
  encodeReply: encodeChatReply,
  createStreamDecoder: createChatStreamDecoder,
  createStreamEncoder: createChatStreamEncoder,
}
