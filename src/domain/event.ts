/** Events: what an operator is told when it happens, and who is told. Rows in `store/event.ts`, posted by `control/webhook-*.ts`. */

/**
 * `limit.threshold`, `balance.threshold`: a share of a limit is used. `operator.upstream_account`: a provider refuses the
 * operator's own account. `ledger.write_off`: the operator paid for what could not be charged. `ledger.difference`: the
 * books do not agree with themselves. Listed for operators in `docs/guides/events.md`.
 */
export const EVENT_TYPES = [
  'limit.threshold',
  'balance.threshold',
  'operator.upstream_account',
  'ledger.write_off',
  'ledger.difference',
] as const

export type EventType = (typeof EVENT_TYPES)[number]

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [member: string]: JsonValue }

/** What an event tells besides its type and time. Never a prompt, a secret or a person's name. */
export type EventPayload = { readonly [member: string]: JsonValue }

export interface NewEvent {
  /** Made by `eventId` from what happened, so that the same thing told twice is one event. */
  readonly id: string
  readonly type: EventType
  /** Null for what concerns no single workspace. */
  readonly workspaceId: string | null
  readonly payload: EventPayload
  readonly atMs: number
}

/**
 * One id of several parts: `t:seat_1:weekly:80`. It stands in an HTTP header and in a signed text whose delimiter is a full
 * stop, so anything but letters, digits, `_`, `-` and `:` is escaped. Colons stay, as those of a meter's id do.
 */
export function eventId(...parts: readonly (string | number)[]): string {
  return parts.map((part) => escapePart(String(part))).join(':')
}

function escapePart(part: string): string {
  const escaped = encodeURIComponent(part.toWellFormed())
  return escaped
    .replaceAll('%3A', ':')
    .replace(/[.!~*'()]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)
}

/** Whoever wants a type of event, by name: for `insertEvents`. */
export function receiversOf(
  webhooks: readonly { readonly name: string; readonly events: readonly EventType[] }[],
  type: EventType,
): string[] {
  return webhooks.filter(({ events }) => events.includes(type)).map(({ name }) => name)
}
