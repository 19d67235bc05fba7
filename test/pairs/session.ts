/** One conversation through a vendor's own library, in words that all four have: what was said, called and answered. */
import type { Protocol } from '../../src/base/words.ts'

/** What the libraries call differently. Counts as the client sees them. */
export interface SeenUsage {
  /** The whole prompt, cached tokens included. */
  readonly prompt: number
  readonly cachedRead: number
  readonly output: number
  /** Null where the protocol does not count it. */
  readonly reasoning: number | null
}

export interface SeenCall {
  readonly id: string
  readonly name: string
  readonly arguments: unknown
}

export interface Answer {
  readonly text: string
  readonly reasoning: string
  readonly calls: readonly SeenCall[]
  readonly finish: 'stop' | 'length' | 'tool_calls' | 'refusal' | 'other'
  readonly usage: SeenUsage
  /** Of the HTTP response. */
  readonly headers: Headers
}

export interface ToolSpec {
  readonly name: string
  readonly description: string
  readonly parameters: Readonly<Record<string, unknown>>
}

export interface ToolOutput {
  readonly call: SeenCall
  readonly text: string
  readonly isError?: boolean
  /** A PNG in base64, for protocols whose results can hold one. */
  readonly image?: string
}

export type Returns = 'all' | 'bare' | 'nameless'

export interface SessionOptions {
  /** `http://…/zen` */
  readonly product: string
  readonly key: string
  readonly model: string
  readonly stream: boolean
  readonly system?: string
  readonly tools?: readonly ToolSpec[]
  /** Asks the model to think and to show it. */
  readonly reasons?: boolean
  /** A JSON schema that the answer must follow. */
  readonly schema?: Readonly<Record<string, unknown>>
  /**
   * `all`: the client returns everything that its library gave it; `bare`: text, calls and results, no more;
   * `nameless`: all but the ids of calls, which Google's protocol does not need.
   */
  readonly returns?: Returns
  /** Asked for with each request when it is a function. */
  readonly headers?: Readonly<Record<string, string>> | (() => Readonly<Record<string, string>>)
  /** Members of the body that are sent as they are. */
  readonly more?: Readonly<Record<string, unknown>>
}

export interface Session {
  /** @param images PNGs in base64. @throws what the library throws */
  say(text: string, images?: readonly string[]): Promise<Answer>
  /** Gives the results of the calls in the last answer. */
  give(outputs: readonly ToolOutput[]): Promise<Answer>
  /** Goes on with another model. */
  use(model: string): void
}

/** What a library's error tells its user. */
export interface SeenError {
  readonly status: number | undefined
  readonly message: string
  /** The error object of the body, in the protocol's own shape. */
  readonly error: Readonly<Record<string, unknown>>
}

export interface PairClient {
  readonly protocol: Protocol
  /** Whether tool results can hold images. */
  readonly resultImages: boolean
  open(options: SessionOptions): Session
  /** @throws when it is no error of the library */
  read(error: unknown): SeenError
}

export const MAX_OUTPUT = 4000

/** A `fetch` that adds headers and remembers those of the last response. */
export function recordingFetch(added: SessionOptions['headers'] = {}): {
  fetch: typeof fetch
  headers(): Headers
} {
  let last = new Headers()
  return {
    async fetch(input, init) {
      const headers = new Headers(init?.headers)
      for (const [name, value] of Object.entries(typeof added === 'function' ? added() : added))
        headers.set(name, value)
      const response = await fetch(input, { ...init, headers })
      last = response.headers
      return response
    },
    headers: () => last,
  }
}
