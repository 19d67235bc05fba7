/** The errors that the simulated provider answers with, before a protocol gives them their shape. */

export type FailureKind =
  | 'invalid_request'
  | 'unknown_model'
  | 'unknown_route'
  | 'method_not_allowed'
  | 'body_too_large'
  | 'rate_limited'
  | 'internal'
  | 'overloaded'

/** Answered as an HTTP error in the caller's protocol. */
export class SimulatedFailure extends Error {
  override readonly name = 'SimulatedFailure'
  readonly kind: FailureKind
  /** The member of the request body at fault. */
  readonly param: string | null

  constructor(kind: FailureKind, message: string, param: string | null = null) {
    super(message)
    this.kind = kind
    this.param = param
  }
}

/** Seconds in the `retry-after` header of a rate limit. */
export const RETRY_AFTER_SECONDS = 2

export function rateLimited(): SimulatedFailure {
  return new SimulatedFailure('rate_limited', `Simulated rate limit. Please try again in ${RETRY_AFTER_SECONDS}s.`)
}

export function internalFailure(): SimulatedFailure {
  return new SimulatedFailure('internal', 'Simulated failure of the provider.')
}

export function overloaded(): SimulatedFailure {
  return new SimulatedFailure('overloaded', 'Simulated overload of the provider.')
}
