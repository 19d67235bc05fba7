/**
 * Remembers for a while what upstreams thought before they called tools, for clients that do not send it back, and
 * which account made which signature, so that a conversation stays with the account that can read its own words.
 *
 * In memory only and bounded: thoughts are content and never touch the disk. What was forgotten is missed by strict
 * upstreams at worst, which is why signatures that clients do return are sealed (`protocol/translation/seal.ts`).
 */
import type { IrThought } from '../protocol/translation/bundle.ts'

export interface ThoughtStoreOptions {
  readonly maxBytes?: number
  readonly maxEntries?: number
  readonly ttlMs?: number
}

/** Vendors use the ids of calls again: only the same conversation of the same caller gets its own thoughts back. */
export interface ThoughtPlace {
  readonly scope: string
  /** Tag of the conversation, as `conversationOf` has it. */
  readonly conversation: string
}

export interface ThoughtStore {
  /** Keeps the thoughts that stood before the calls with these ids in a conversation. */
  remember(place: ThoughtPlace, callIds: readonly string[], thoughts: readonly IrThought[], nowMs: number): void
  recall(place: ThoughtPlace, callId: string, nowMs: number): readonly IrThought[] | null
  /** Keeps that an account made a signature or an answer's id in this scope. */
  sign(scope: string, token: string, account: string, nowMs: number): void
  /** The account that made it; null when that is not known. */
  signer(scope: string, token: string, nowMs: number): string | null
  /** The account that signed last in this scope, and whether others had before. */
  accountOf(scope: string, nowMs: number): { readonly account: string; readonly isOnly: boolean } | null
}

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024
const DEFAULT_MAX_ENTRIES = 100_000
const DEFAULT_TTL_MS = 4 * 60 * 60 * 1000
/** Signatures are told apart by their ends: they are random, and kilobytes long. */
const TOKEN_TAIL = 40

/** What the scopes of callers without a key begin with. */
export const ANONYMOUS_SCOPE = 'address '
/** Of callers without a key, who must not be able to drive out what belongs to those with one. */
const ANONYMOUS_MAX_BYTES = 8 * 1024 * 1024

/** What callers with a key and those without one have is kept apart. */
export function createThoughtStore(options: ThoughtStoreOptions = {}): ThoughtStore {
  const keyed = createPool(options)
  const anonymous = createPool({ ...options, maxBytes: Math.min(options.maxBytes ?? Infinity, ANONYMOUS_MAX_BYTES) })
  const poolOf = (scope: string): ThoughtStore => (scope.startsWith(ANONYMOUS_SCOPE) ? anonymous : keyed)
  return {
    remember: (place, ...rest) => poolOf(place.scope).remember(place, ...rest),
    recall: (place, ...rest) => poolOf(place.scope).recall(place, ...rest),
    sign: (scope, ...rest) => poolOf(scope).sign(scope, ...rest),
    signer: (scope, ...rest) => poolOf(scope).signer(scope, ...rest),
    accountOf: (scope, nowMs) => poolOf(scope).accountOf(scope, nowMs),
  }
}

function createPool(options: ThoughtStoreOptions): ThoughtStore {
  const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES
  const thoughts = boundedMap<readonly IrThought[]>(options, maxBytes)
  const signers = boundedMap<string>(options, maxBytes)
  const accounts = boundedMap<{ account: string; isOnly: boolean }>(options, maxBytes)
  const tokenKey = (scope: string, token: string): string => `${scope}\n${token.length}\n${token.slice(-TOKEN_TAIL)}`
  return {
    remember(place, callIds, value, nowMs) {
      if (value.length === 0) return
      const bytes = value.reduce((sum, thought) => sum + sizeOf(thought), 0)
      // The calls of one turn share the blocks, which live as long as any of them: each is charged for the whole.
      for (const id of callIds) thoughts.set(callKey(place, id), value, bytes, nowMs)
    },
    recall: (place, callId, nowMs) => thoughts.get(callKey(place, callId), nowMs),
    sign(scope, token, account, nowMs) {
      signers.set(tokenKey(scope, token), account, TOKEN_TAIL, nowMs)
      const known = accounts.get(scope, nowMs)
      const isOnly = known === null || (known.isOnly && known.account === account)
      accounts.set(scope, { account, isOnly }, scope.length, nowMs)
    },
    signer: (scope, token, nowMs) => signers.get(tokenKey(scope, token), nowMs),
    accountOf: (scope, nowMs) => accounts.get(scope, nowMs),
  }
}

function callKey({ scope, conversation }: ThoughtPlace, callId: string): string {
  return `${scope}\n${conversation}\n${callId}`
}

function sizeOf(thought: IrThought): number {
  const text =
    thought.type === 'thinking' ? thought.text.length + (thought.signature?.length ?? 0) : thought.data.length
  const raw = thought.raw ? JSON.stringify(thought.raw).length : 0
  return 2 * (text + raw) + 200
}

interface BoundedMap<T> {
  get(key: string, nowMs: number): T | null
  set(key: string, value: T, bytes: number, nowMs: number): void
}

/** The oldest goes first, by time of writing; a Map keeps that order. */
function boundedMap<T>(options: ThoughtStoreOptions, maxBytes: number): BoundedMap<T> {
  const { maxEntries = DEFAULT_MAX_ENTRIES, ttlMs = DEFAULT_TTL_MS } = options
  const entries = new Map<string, { value: T; bytes: number; untilMs: number }>()
  let total = 0
  const drop = (key: string): void => {
    total -= entries.get(key)?.bytes ?? 0
    entries.delete(key)
  }
  return {
    get(key, nowMs) {
      const entry = entries.get(key)
      if (!entry) return null
      if (entry.untilMs > nowMs) return entry.value
      drop(key)
      return null
    },
    set(key, value, valueBytes, nowMs) {
      const bytes = valueBytes + 2 * key.length
      drop(key)
      if (bytes > maxBytes) return
      entries.set(key, { value, bytes, untilMs: nowMs + ttlMs })
      total += bytes
      for (const oldest of entries.keys()) {
        if (total <= maxBytes && entries.size <= maxEntries) break
        drop(oldest)
      }
    },
  }
}
