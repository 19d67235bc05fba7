/** What a client library shows of an answer, in one form for all of them. */

export interface SeenCall {
  readonly id: string
  readonly name: string
  /** Parsed where it is JSON, else the text. */
  readonly input: unknown
}

/** Tokens as the client's protocol counts them; null where it has no place for them or leaves them out. */
export interface SeenUsage {
  /** All of the prompt, caches included. */
  readonly prompt: number | null
  readonly cachedRead: number | null
  readonly cacheWrite: number | null
  readonly cacheWrite1h: number | null
  /** Reasoning included. */
  readonly output: number | null
  readonly reasoning: number | null
}

/** How the library tells its caller that an answer failed. */
export interface SeenFailure {
  readonly status: number | null
  readonly message: string
}

export interface Seen {
  readonly text: string
  readonly reasoning: string
  readonly refusal: string
  readonly calls: readonly SeenCall[]
  /** `stop`, `length`, `tool_calls`, `content_filter`, `pause`, `other`; null when the library has none. */
  readonly finish: string | null
  readonly usage: SeenUsage | null
  /** Null for a whole answer. */
  readonly failure: SeenFailure | null
}

export const NOTHING: Seen = {
  text: '',
  reasoning: '',
  refusal: '',
  calls: [],
  finish: null,
  usage: null,
  failure: null,
}

export function parsedInput(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** What any of the libraries throws. */
export function failureOf(error: unknown): SeenFailure {
  const { status, statusCode, message, lastError } = error as Record<string, unknown>
  if (lastError !== undefined) return failureOf(lastError)
  const code = status ?? statusCode
  return { status: typeof code === 'number' ? code : null, message: String(message ?? error) }
}
