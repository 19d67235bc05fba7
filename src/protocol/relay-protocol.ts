/** The protocols that are relayed byte for byte today. */
import type { Protocol } from '../base/words.ts'

export type RelayProtocol = 'openai-chat' | 'anthropic-messages'

/** What this server can serve today. */
export const SERVED_PROTOCOLS: ReadonlySet<Protocol> = new Set<RelayProtocol>(['openai-chat', 'anthropic-messages'])
