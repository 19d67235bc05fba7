/** The codec of each protocol. */
import type { Protocol } from '../base/words.ts'
import { messagesCodec } from './anthropic-messages/codec.ts'
import type { Codec } from './codec.ts'
import { googleCodec } from './google-generate/codec.ts'
import { chatCodec } from './openai-chat/codec.ts'
import { responsesCodec } from './openai-responses/codec.ts'

const CODECS: Readonly<Record<Protocol, Codec>> = {
  'openai-chat': chatCodec,
  'openai-responses': responsesCodec,
  'anthropic-messages': messagesCodec,
  'google-generate': googleCodec,
}

export function codecOf(protocol: Protocol): Codec {
  return CODECS[protocol]
}
