/** An inference request as it came, before anything is believed of it. */
import type { Product, Protocol } from '../base/words.ts'
import type { StreamForm } from '../protocol/event-readers.ts'
import type { PathFields } from '../protocol/request.ts'
import type { KeyOwner } from '../store/key.ts'

export interface InferenceRequest {
  readonly id: string
  readonly product: Product
  readonly protocol: Protocol
  /** What Google has in the path; null for the other protocols. */
  readonly path: PathFields | null
  /** How a streamed answer is framed. */
  readonly form: StreamForm
  readonly body: Buffer
  /** Whose key it carries; null when it carries none. */
  readonly owner: KeyOwner | null
  /** The client's address, already seen through trusted proxies. */
  readonly address: string
  /** The client's session, for the row; null when it names none. */
  readonly session: string | null
  /** `x-zendo-tags`, as they stand on the row; null when there are none. */
  readonly tags: string | null
  /** `Idempotency-Key`; null when it sends none. */
  readonly idempotencyKey: string | null
  /** Headers that cross to the upstream, names and values in turn. */
  readonly forwardHeaders: readonly string[]
  /** Whatever translation would lose is a refusal (`x-zendo-strict`). */
  readonly strict: boolean
  /** The usage object carries the exact charge (`x-zendo-include: cost`). */
  readonly includeCost: boolean
}
