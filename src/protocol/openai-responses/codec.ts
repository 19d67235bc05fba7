/** Translation from and to OpenAI Responses. */
import type { Codec } from '../codec.ts'
import { asObject } from '../wire-value.ts'
import { decodeResponsesReply } from './decode-reply.ts'
import { decodeResponsesRequest } from './decode-request.ts'
import { createResponsesStreamDecoder } from './decode-stream.ts'
import { encodeResponsesReply } from './encode-reply.ts'
import { encodeResponsesRequest } from './encode-request.ts'
import { createResponsesStreamEncoder } from './encode-stream.ts'

export const responsesCodec: Codec = {
  decodeRequest: decodeResponsesRequest,
  encodeRequest: encodeResponsesRequest,
  decodeReply: (body) => decodeResponsesReply(asObject(body) ?? {}),
  encodeReply: encodeResponsesReply,
  createStreamDecoder: createResponsesStreamDecoder,
  createStreamEncoder: createResponsesStreamEncoder,
}
