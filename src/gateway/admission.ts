/** Says what may pay for a call and how much it may cost, and has that held, durably, before anything is sent upstream. */
import { createHmac } from 'node:crypto'
import { AppError } from '../base/errors.ts'
import type { NanoUsd } from '../base/money.ts'
import { DAY_MS } from '../base/time.ts'
import { addressGroup } from '../domain/client-address.ts'
import { type HoldSize, NOTHING_TO_HOLD, outputCap, promptBound, sizeHold } from '../domain/hold-size.ts'
import { seatFor } from '../domain/seat.ts'
import { UTC_CALENDAR } from '../domain/window.ts'
import type { HoldCommand, Holding, HoldResult, Source, Standing } from '../ledger/command.ts'
import { previewHold } from '../ledger/preview.ts'
import { holdingOf } from '../ledger/release.ts'
import type { Call } from './call.ts'
import type { Gateway } from './gateway.ts'
import { refusalError } from './refusal.ts'

/** A call whose worst case, or a slice of it, is held: it may be sent, and must come to its end. */
export interface Admission {
  readonly call: Call
  readonly nodeId: string
  readonly holding: Holding
  readonly holdSize: HoldSize
  /** At list price; grows in slices while an answer streams. */
  hold: NanoUsd
  /** The growth under way: the next one waits for it. */
  growing: Promise<boolean> | null
  /** A growth was not confirmed: the row may hold more than is known here. */
  isUnsure: boolean
  readonly maxHold: NanoUsd
  /** The output cap that may be sent, per answer; null: as many tokens as the client asked for. */
  readonly clampedOutput: number | null
  /** What the hold was sized for: nothing larger may be sent. */
  readonly size: RequestSize
  /** The limit with the least left; null where nothing limits. */
  readonly tightest: Standing | null
}

/** What a request can cost by: the body that is really sent, and the cap on output in it. */
export interface RequestSize {
  readonly bytes: number
  readonly maxOutput: number | null
  /** Below this cap the upstream would refuse the body. */
  readonly smallestCap: number
}

/** A body that another provider is sent may be written a little longer; the bound per byte is generous. */
const SPARE_SHARE = 1.25
const SPARE_BYTES = 8192

/** Whether what was held also covers a request of this size. */
export function coversSize({ call, size }: Admission, sent: RequestSize): boolean {
  const cap = (maxOutput: number | null): number => outputCap(maxOutput, call.fields.answers, call.model)
  return sent.bytes <= size.bytes * SPARE_SHARE + SPARE_BYTES && cap(sent.maxOutput) <= cap(size.maxOutput)
}

/**
 * @throws AppError insufficient_balance, cap_reached, plan_required, plan_limit, free_limit, storage_unavailable,
 *   invalid_request (an idempotency key that is in use)
 */
export async function admit(gateway: Gateway, call: Call, size: RequestSize, provider: string): Promise<Admission> {
  const command = commandOf(gateway, call, size, provider)
  const result = await gateway.ledger.hold(command)
  if (!result.ok) throw refusalError(result.refusal, call, command.request.createdAtMs)
  const { cover } = result
  return {
    call,
    nodeId: command.request.nodeId,
    holding: holdingOf(command, result),
    holdSize: command.size,
    hold: cover.hold,
    growing: null,
    isUnsure: false,
    maxHold: cover.maxHold,
    clampedOutput: cover.output === null ? null : Math.floor(cover.output / call.fields.answers),
    size,
    tightest: result.tightest,
  }
}

/**
 * Refuses, without holding anything, what `admit` would refuse anyway: translating a large body is work that nobody
 * without money or a request left may cause. @throws AppError as `admit`
 */
export async function refuseEarly(gateway: Gateway, call: Call): Promise<void> {
  const size = { bytes: call.request.body.length, maxOutput: call.fields.maxOutput, smallestCap: 1 }
  const command = commandOf(gateway, call, size, '')
  const result: HoldResult = await gateway.database.read((sql) => previewHold(sql, command))
  if (!result.ok) throw refusalError(result.refusal, call, command.request.createdAtMs)
}

function commandOf(gateway: Gateway, call: Call, size: RequestSize, provider: string): HoldCommand {
  const { request, model, fields } = call
  const { owner } = request
  const nowMs = gateway.clock()
  const { idempotencyKey } = request
  return {
    kind: 'hold',
    request: {
      id: request.id,
      workspaceId: owner?.workspaceId ?? null,
      accountId: owner?.balanceId ?? null,
      memberId: owner?.memberId ?? null,
      keyId: owner?.keyId ?? null,
      nodeId: gateway.node.id,
      session: request.session,
      tags: request.tags,
      product: request.product,
      protocol: request.protocol,
      model: model.id,
      stream: fields.stream,
      priceVersion: model.price?.version ?? null,
      weightPpm: model.weightPpm,
      provider,
      ...accountFacts(call, provider),
      idempotencyKey: owner ? idempotencyKey : null,
      bodyDigest: owner && idempotencyKey !== null ? digest(gateway.addressSalt, request.body) : null,
      createdAtMs: nowMs,
    },
    sources: sourcesOf(call),
    caps: owner?.caps ?? [],
    calendar: owner ?? UTC_CALENDAR,
    size: holdSizeOf(call, size),
    anonymous: owner ? null : anonymousOf(gateway, call, nowMs),
  }
}

/** Of a provider that a call was or is to be sent to: where it is, and with which of the workspace's own keys. */
export function accountFacts(
  { destinations }: Call,
  providerId: string,
): { readonly region: string | null; readonly credentialId: string | null } {
  const provider = destinations.find(({ route }) => route.provider.id === providerId)?.route.provider
  return { region: provider?.region ?? null, credentialId: provider?.own?.credentialId ?? null }
}

/** What may pay, in order. @throws AppError plan_required */
function sourcesOf(call: Call): Source[] {
  const { owner, product } = call.request
  if (call.account === 'workspace') return [{ kind: 'byok' }]
  if (call.model.free) return [{ kind: 'free' }]
  if (!owner) throw new Error('a metered model was called without an owner')
  if (product === 'zen') return [{ kind: 'balance' }]
  const found = seatFor(owner.seats, call.catalog.plans, product)
  if (!found) throw planRequired(call)
  const { seat, plan } = found
  const source: Source = { kind: 'plan', seatId: seat.id, anchorMs: seat.startedAtMs, windows: plan.windows }
  return seat.useBalance ? [source, { kind: 'balance' }] : [source]
}

function planRequired(call: Call): AppError {
  return new AppError(
    'plan_required',
    `This key's member has no seat on a plan that covers ${call.request.product}. Add a seat, or use /zen/v1, which is paid from the balance.`,
  )
}

function holdSizeOf({ model, fields, account }: Call, { bytes, maxOutput, smallestCap }: RequestSize): HoldSize {
  if (model.free || account === 'workspace') return NOTHING_TO_HOLD
  return sizeHold(model, {
    // What the vendor has kept is not in the body.
    promptBound: fields.namesKeptContent ? model.context : promptBound(bytes, model),
    output: outputCap(maxOutput, fields.answers, model),
    streams: fields.stream,
    legalOutput: smallestCap * fields.answers,
  })
}

function anonymousOf(gateway: Gateway, { request, catalog }: Call, nowMs: number): HoldCommand['anonymous'] {
  return {
    // Addresses are counted under a keyed hash, so that the rows tell nobody who called.
    addressHash: digest(gateway.addressSalt, addressGroup(request.address)),
    day: Math.floor(nowMs / DAY_MS),
    limit: catalog.anonymous.requestsPerDay,
  }
}

function digest(salt: string, content: string | Buffer): string {
  return createHmac('sha256', salt).update(content).digest('base64url')
}
