/** Google's protocol (`generateContent`, `streamGenerateContent`, `countTokens`) to and from the common form. */
import type { Codec } from '../codec.ts'
import { decodeReply } from './decode-reply.ts'
import { decodeCountRequest, decodeRequest } from './decode-request.ts'
import { createStreamDecoder } from './decode-stream.ts'
import { encodeReply } from './encode-reply.ts'
import { encodeRequest } from './encode-request.ts'
import { createGoogleArrayEncoder, createStreamEncoder } from './encode-stream.ts'

export const googleCodec: Codec = {
  decodeRequest,
  encodeRequest,
  decodeReply,
  encodeReply,
  createStreamDecoder,
  createStreamEncoder,
}

export { createGoogleArrayEncoder, decodeCountRequest }
