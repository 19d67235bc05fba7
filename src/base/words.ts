/** The closed sets of words that every floor shares (`docs/architecture.md` explains each). */

/** A wire format. */
export type Protocol = 'openai-chat' | 'openai-responses' | 'anthropic-messages' | 'google-generate'
export const PROTOCOLS = ['openai-chat', 'openai-responses', 'anthropic-messages', 'google-generate'] as const

/** How a request is paid for. */
export type Product = 'zen' | 'go'
export const PRODUCTS = ['zen', 'go'] as const

/** What pays for a request; chosen once, before dispatch. */
export type Funding = 'free' | 'plan' | 'balance' | 'byok'
