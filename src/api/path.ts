/** Reads a request path into product and route tail, forgiving the base URLs that users get wrong. */
import type { Product, Protocol } from '../base/words.ts'

/** `tail` is the route below the version: `chat/completions`, `messages`, `models/sim/echo`. */
export interface ProductPath {
  readonly product: Product
  /** Google's clients name `v1beta` by default; lists have Google's shape there. */
  readonly isBeta: boolean
  readonly tail: string
}

const PRODUCT_PATH = /^\/zen(\/go)?((?:\/v1(?:beta)?)*)\/(.+?)\/?$/

/**
 * `/zen/v1/messages`, and also the doubled and the missing version that a wrong base URL makes of it
 * (`/zen/v1/v1/messages`, `/zen/messages`). Null for what is not below a product.
 */
export function parseProductPath(path: string): ProductPath | null {
  const match = PRODUCT_PATH.exec(path)
  if (!match) return null
  return { product: match[1] ? 'go' : 'zen', isBeta: match[2]?.includes('beta') === true, tail: match[3] as string }
}

/** The shape in which to refuse a path that names no route. */
export function guessProtocol(path: string, isAnthropicClient: boolean): Protocol {
  if (/\/v1beta\/|:\w*generateContent|:countTokens/i.test(path)) return 'google-generate'
  if (path.includes('/messages') || isAnthropicClient) return 'anthropic-messages'
  if (path.includes('/responses')) return 'openai-responses'
  return 'openai-chat'
}
