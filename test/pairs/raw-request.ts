/** The smallest streamed request of each protocol, for tests that look at the bytes of its answer. */
import type { Protocol } from '../../src/base/words.ts'

export interface RawRequest {
  /** Below the product. */
  readonly path: string
  readonly body: string
}

export function rawRequest(protocol: Protocol, model: string): RawRequest {
  const messages = [{ role: 'user', content: 'How?' }]
  switch (protocol) {
    case 'openai-chat':
      return { path: '/v1/chat/completions', body: JSON.stringify({ model, stream: true, messages }) }
    case 'openai-responses':
      return { path: '/v1/responses', body: JSON.stringify({ model, stream: true, input: 'How?' }) }
    case 'anthropic-messages':
      return { path: '/v1/messages', body: JSON.stringify({ model, stream: true, max_tokens: 1000, messages }) }
    case 'google-generate':
      return {
        path: `/v1beta/models/${model}:streamGenerateContent?alt=sse`,
        body: JSON.stringify({ contents: [{ role: 'user', parts: [{ text: 'How?' }] }] }),
      }
  }
}
