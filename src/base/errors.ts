/**
 * The closed list of refusals and failures, and the one error class that carries them.
 *
 * `docs/reference/errors.md` is checked against this list by a test. Status and compatible type follow the public
 * service where clients match on them, except that 401 is only ever about the key.
 */

/** `never`: the same request fails again; `at_reset`: works after `resets_at`; `after`: back off and repeat. */
export type Retry = 'never' | 'at_reset' | 'after' | 'as_upstream_says'

export interface ErrorClass {
  readonly status: number
  /** The type name that clients of the public service match on. */
  readonly compatibleType: string
  readonly retry: Retry
}

const errorClasses = {
  missing_key: { status: 401, compatibleType: 'AuthError', retry: 'never' },
  invalid_key: { status: 401, compatibleType: 'AuthError', retry: 'never' },
  sign_in_required: { status: 401, compatibleType: 'AuthError', retry: 'never' },
  sign_in_failed: { status: 401, compatibleType: 'AuthError', retry: 'never' },
  insufficient_balance: { status: 402, compatibleType: 'CreditsError', retry: 'never' },
  cap_reached: { status: 402, compatibleType: 'MonthlyLimitError', retry: 'never' },
  plan_required: { status: 403, compatibleType: 'EntitlementError', retry: 'never' },
  key_disabled: { status: 403, compatibleType: 'AuthError', retry: 'never' },
  model_disabled: { status: 403, compatibleType: 'ModelError', retry: 'never' },
  workspace_blocked: { status: 403, compatibleType: 'AuthError', retry: 'never' },
  policy_denied: { status: 403, compatibleType: 'DataPolicyError', retry: 'never' },
  permission_denied: { status: 403, compatibleType: 'AuthError', retry: 'never' },
  not_found: { status: 404, compatibleType: 'InvalidRequestError', retry: 'never' },
  conflict: { status: 409, compatibleType: 'InvalidRequestError', retry: 'never' },
  model_not_found: { status: 404, compatibleType: 'ModelError', retry: 'never' },
  route_not_found: { status: 404, compatibleType: 'ModelError', retry: 'never' },
  invalid_request: { status: 400, compatibleType: 'InvalidRequestError', retry: 'never' },
  unsupported_feature: { status: 400, compatibleType: 'InvalidRequestError', retry: 'never' },
  body_too_large: { status: 413, compatibleType: 'InvalidRequestError', retry: 'never' },
  plan_limit: { status: 429, compatibleType: 'GoUsageLimitError', retry: 'at_reset' },
  free_limit: { status: 429, compatibleType: 'FreeUsageLimitError', retry: 'at_reset' },
  rate_limited: { status: 429, compatibleType: 'RateLimitError', retry: 'after' },
  loop_detected: { status: 429, compatibleType: 'RateLimitError', retry: 'after' },
  upstream_rejected: { status: 400, compatibleType: 'UpstreamError', retry: 'as_upstream_says' },
  upstream_unavailable: { status: 503, compatibleType: 'UpstreamError', retry: 'after' },
  overloaded: { status: 503, compatibleType: 'ServiceError', retry: 'after' },
  storage_unavailable: { status: 503, compatibleType: 'ServiceError', retry: 'after' },
  shutting_down: { status: 503, compatibleType: 'ServiceError', retry: 'after' },
  internal: { status: 500, compatibleType: 'ServiceError', retry: 'after' },
} as const satisfies Record<string, ErrorClass>

export type ErrorCode = keyof typeof errorClasses

export const ERROR_CODES = Object.keys(errorClasses) as readonly ErrorCode[]

export function errorClassOf(code: ErrorCode): ErrorClass {
  return errorClasses[code]
}

/** The limit that refused a request. Amounts are dollars as exact text, or counts. */
export interface LimitDetail {
  /** `5 hour`, `weekly`, `monthly`, `balance`, `free requests per day`. */
  readonly name: string
  readonly kind: string
  readonly scope: 'workspace' | 'member' | 'key' | 'seat' | 'address'
  readonly used: string
  readonly limit: string
  readonly unit: 'usd' | 'requests'
  /** Absolute; null when waiting does not help. */
  readonly resetsAtMs: number | null
}

export interface AppErrorOptions {
  readonly limit?: LimitDetail
  /** Replaces the status of the class; only `upstream_rejected` (as it came) and transport errors (408, 417, 426, 431) use it. */
  readonly status?: number
  readonly retryAfterSeconds?: number
  /** The field of the request body at fault. */
  readonly param?: string
  /** Extra members of the compatible `metadata` object. */
  readonly metadata?: Readonly<Record<string, string>>
  /** What an upstream itself calls its refusal (`context_length_exceeded`): clients match on it. */
  readonly upstreamCode?: string | undefined
  /** The internal reason: logged, never sent. */
  readonly cause?: unknown
}

/** An expected refusal or failure. `message` is public: it never holds internals, secrets or upstream addresses. */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: ErrorCode
  readonly limit: LimitDetail | undefined
  readonly status: number
  readonly retryAfterSeconds: number | undefined
  readonly param: string | undefined
  readonly metadata: Readonly<Record<string, string>> | undefined
  readonly upstreamCode: string | undefined

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.limit = options.limit
    this.status = options.status ?? errorClassOf(code).status
    this.retryAfterSeconds = options.retryAfterSeconds
    this.param = options.param
    this.metadata = options.metadata
    this.upstreamCode = options.upstreamCode
  }
}

/** The type name that clients of the public service match on; a cap is named by whose it is. */
export function compatibleTypeOf({ code, limit, metadata }: AppError): string {
  if (code === 'policy_denied' && metadata?.reason === 'region') return 'RegionError'
  const isPersonal = limit?.scope === 'member' || limit?.scope === 'key'
  return code === 'cap_reached' && isPersonal ? 'UserLimitError' : errorClassOf(code).compatibleType
}
