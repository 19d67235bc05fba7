/** Who speaks what: the client's protocol and the upstream's, as rows of the translation tables. */
import { PROTOCOLS, type Protocol } from '../src/base/words.ts'

/** What the mock upstream can answer in. */
export type MockProtocol = Exclude<Protocol, 'google-generate'>
export const MOCK_PROTOCOLS: readonly MockProtocol[] = ['openai-chat', 'openai-responses', 'anthropic-messages']

export interface Pair {
  readonly client: Protocol
  readonly upstream: MockProtocol
}

export const SHORT_NAMES: Readonly<Record<Protocol, string>> = {
  'openai-chat': 'chat',
  'openai-responses': 'responses',
  'anthropic-messages': 'messages',
  'google-generate': 'google',
}

/** Relayed, not translated: what all other rows are compared with. */
export const SAME_PROTOCOL: Pair = { client: 'openai-chat', upstream: 'openai-chat' }

export const TRANSLATED: readonly Pair[] = [
  { client: 'anthropic-messages', upstream: 'openai-chat' },
  { client: 'openai-responses', upstream: 'openai-chat' },
  { client: 'google-generate', upstream: 'openai-chat' },
  { client: 'openai-chat', upstream: 'anthropic-messages' },
  { client: 'anthropic-messages', upstream: 'openai-responses' },
]

export function pairName({ client, upstream }: { client: Protocol; upstream: Protocol }): string {
  return `${SHORT_NAMES[client]} → ${SHORT_NAMES[upstream]}`
}

/** Every way from one protocol into another: twelve. */
export function allDirections(): { from: Protocol; to: Protocol }[] {
  return PROTOCOLS.flatMap((from) => PROTOCOLS.filter((to) => to !== from).map((to) => ({ from, to })))
}
