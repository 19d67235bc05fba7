/** The Messages protocol for translation: its requests, whole replies and streams to and from the IR. */
import type { Codec } from '../codec.ts'
import { asObject } from '../wire-value.ts'
import { decodeMessagesReply } from './decode-reply.ts'
import { decodeMessagesRequest } from './decode-request.ts'
import { createMessagesDecoder } from './decode-stream.ts'
import { encodeMessagesReply } from './encode-reply.ts'
import { encodeMessagesRequest } from './encode-request.ts'
import { createMessagesEncoder } from './encode-stream.ts'

export const messagesCodec: Codec = {
  decodeRequest: decodeMessagesRequest,
  encodeRequest: encodeMessagesRequest,
  decodeReply: (body) => decodeMessagesReply(asObject(body) ?? {}),
  encodeReply: encodeMessagesReply,
  createStreamDecoder: createMessagesDecoder,
  createStreamEncoder: createMessagesEncoder,
}
