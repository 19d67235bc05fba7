/** One simulated request, from its hold to its end, as the gateway would lead it through the ledger. */
import { minUsd, type NanoUsd, nanoUsd, ZERO_USD } from '../../src/base/money.ts'
import { NO_USAGE, type Usage } from '../../src/base/usage.ts'
import type { Price } from '../../src/domain/catalog.ts'
import { CHARGE_POLICY_VERSION, chargeRuleOf, OUTCOMES, type Outcome } from '../../src/domain/charge-policy.ts'
import { NOTHING_TO_HOLD, nextHold } from '../../src/domain/hold-size.ts'
import { chargeForUsage } from '../../src/domain/price.ts'
import type { EndCommand, HoldCommand, Holding, HoldResult, Source } from '../../src/ledger/command.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { holdingOf } from '../../src/ledger/release.ts'
import { exactCharge } from './exact-price.ts'
import type { Machine } from './node.ts'
import type { Random } from './random.ts'
import type { Owner, Scheduler } from './scheduler.ts'
import type { Known, Truth } from './truth.ts'
import { ANCHOR_MS, PRICES, sizeOf, type Tenant, WEIGHTS, WINDOWS } from './world.ts'

export interface Customer {
  readonly scheduler: Scheduler
  readonly random: Random
  readonly truth: Truth
}

interface Asked {
  readonly command: HoldCommand
  readonly price: Price | null
  readonly prompt: number
}

/** Who asks for what, at random. */
export function randomRequest(random: Random, tenant: Tenant, machine: Machine, id: string): Asked {
  const funding = random.chance(0.08) ? 'free' : random.chance(0.5) ? 'balance' : 'plan'
  const who = random.int(0, 2)
  const price = funding === 'free' ? null : random.pick(PRICES)
  const prompt = random.size(20_000)
  const size = price ? sizeOf(price, prompt, random.size(8000) + 1, random.chance(0.7)) : NOTHING_TO_HOLD
  const hasKey = random.chance(0.15)
  const command: HoldCommand = {
    kind: 'hold',
    request: {
      ...{ id, workspaceId: tenant.workspaceId, accountId: tenant.balanceId },
      ...{ memberId: tenant.memberIds[who] ?? null, keyId: tenant.keyIds[who] ?? null, nodeId: machine.node?.id ?? '' },
      ...{
        session: null,
        tags: null,
        product: funding === 'plan' ? 'go' : 'zen',
        protocol: 'openai-chat',
        model: 'any',
      },
      ...{ stream: size.slice !== null, priceVersion: price?.version ?? null, provider: 'one' },
      weightPpm: random.pick(WEIGHTS),
      idempotencyKey: hasKey ? `twin-${random.int(0, 12)}` : null,
      bodyDigest: hasKey ? String(random.int(0, 2)) : null,
      createdAtMs: machine.clock(),
    },
    sources: sourcesOf(funding, tenant, who),
    caps: tenant.caps.filter(({ subjectId }) =>
      [tenant.workspaceId, tenant.memberIds[who], tenant.keyIds[who]].includes(subjectId),
    ),
    calendar: tenant.calendar,
    size,
    anonymous: null,
  }
  return { command, price, prompt }
}

function sourcesOf(funding: 'free' | 'balance' | 'plan', tenant: Tenant, who: number): Source[] {
  if (funding !== 'plan') return [{ kind: funding }]
  const plan: Source = { kind: 'plan', seatId: tenant.seatIds[who] ?? '', anchorMs: ANCHOR_MS, windows: WINDOWS }
  return tenant.useBalance ? [plan, { kind: 'balance' }] : [plan]
}

/** Leads a request through its life. What its process does not live to see, it never does. */
export async function serve(customer: Customer, machine: Machine, asked: Asked): Promise<void> {
  const { truth, scheduler } = customer
  const { ledger, node, owner } = machine
  if (!ledger || !node) return
  const { request } = asked.command
  const known = truth.add({
    ...{ id: request.id, isFree: asked.price === null, state: 'asked', nodeName: owner.name },
    ...{ end: null, cost: 0n, charged: null },
  })
  let result: HoldResult
  try {
    result = await ledger.hold(asked.command)
  } catch {
    known.state = 'failed'
    return scheduler.note(`${request.id} failed`)
  }
  known.state = result.ok ? 'open' : 'refused'
  scheduler.note(`${request.id} ${result.ok ? `${result.funding} ${result.cover.hold}` : result.refusal.kind}`)
  if (result.ok) await new Service(customer, machine, ledger, owner, asked, result, known).run()
}

class Service {
  readonly #customer: Customer
  readonly #machine: Machine
  readonly #ledger: Ledger
  readonly #owner: Owner
  readonly #asked: Asked
  readonly #known: Known
  readonly #holding: Holding
  readonly #maxHold: NanoUsd
  #hold: NanoUsd

  constructor(
    customer: Customer,
    machine: Machine,
    ledger: Ledger,
    owner: Owner,
    asked: Asked,
    result: Extract<HoldResult, { ok: true }>,
    known: Known,
  ) {
    this.#customer = customer
    this.#machine = machine
    this.#ledger = ledger
    this.#owner = owner
    this.#asked = asked
    this.#known = known
    this.#holding = holdingOf(asked.command, result)
    this.#hold = result.cover.hold
    this.#maxHold = result.cover.maxHold
  }

  async run(): Promise<void> {
    const { random, scheduler } = this.#customer
    const { size } = this.#asked.command
    await scheduler.sleep(this.#owner, random.size(20_000))
    while (size.slice !== null && this.#hold < this.#maxHold && random.chance(0.7)) {
      if (!(await this.#grow(nextHold(size, this.#hold, this.#maxHold)))) break
      await scheduler.sleep(this.#owner, random.size(5000))
    }
    const { outcome, usage, cost } = this.#use()
    if (cost > this.#hold) await this.#grow(minUsd(cost, this.#maxHold))
    await this.#end(this.#endOf(outcome, usage, cost))
  }

  async #grow(to: NanoUsd): Promise<boolean> {
    if (to <= this.#hold) return false
    const before = this.#hold
    const grown = await this.#ledger.extend({
      kind: 'extend',
      holding: this.#holding,
      before,
      after: to,
      atMs: this.#machine.clock(),
    })
    if (grown) this.#hold = to
    return grown
  }

  /** What the upstream says it used: mostly within bounds, sometimes nothing, sometimes far more than was held. */
  #use(): { outcome: Outcome; usage: Usage; cost: NanoUsd } {
    const { random } = this.#customer
    const { price, prompt, command } = this.#asked
    const outcome = random.pick(OUTCOMES)
    const beyond = random.chance(0.1) ? random.int(2, 30) : 1
    const cached = random.size(prompt)
    const counts = { input: prompt - cached, cachedRead: cached, output: random.size(command.size.output) * beyond }
    const usage = random.chance(0.05) ? NO_USAGE : { ...NO_USAGE, ...counts }
    const isCharged = chargeRuleOf(outcome) !== 'nothing' && price !== null
    this.#known.cost = isCharged ? exactCharge(price, usage) : 0n
    return { outcome, usage, cost: isCharged ? chargeForUsage(price, usage) : ZERO_USD }
  }

  #endOf(outcome: Outcome, usage: Usage, cost: NanoUsd): EndCommand {
    const nowMs = this.#machine.clock()
    const { request } = this.#asked.command
    return {
      kind: 'end',
      holding: this.#holding,
      end: {
        ...{
          id: request.id,
          endedBy: request.nodeId,
          state: chargeRuleOf(outcome) === 'nothing' ? 'released' : 'settled',
        },
        ...{ cost, charged: minUsd(cost, this.#hold), outcome, policyVersion: CHARGE_POLICY_VERSION, estimated: false },
        ...{
          status: 200,
          errorCode: null,
          provider: 'one',
          upstreamId: null,
          upstreamProtocol: 'openai-chat',
          warnings: null,
        },
        attempts: [{ provider: 'one', status: 200, outcome, startedAtMs: nowMs, endedAtMs: nowMs }],
        ...{ usage, firstByteAtMs: null, endedAtMs: nowMs },
      },
    }
  }

  async #end(command: EndCommand): Promise<void> {
    const { random, scheduler } = this.#customer
    this.#known.end = command
    this.#known.state = 'ending'
    await this.#endOnce(command)
    // Whoever asks again gets the same word, and pays no more.
    while (random.chance(0.1)) {
      await scheduler.sleep(this.#owner, random.size(3000))
      await this.#endOnce(command)
    }
  }

  async #endOnce(command: EndCommand): Promise<void> {
    const known = this.#known
    try {
      const ended = await this.#ledger.end(command)
      this.#customer.scheduler.note(`${known.id} ${ended.kind} ${ended.kind === 'ended' ? ended.charged : ''}`)
      if (ended.kind === 'late' && known.state !== 'ended') known.state = 'late'
      if (ended.kind === 'ended') Object.assign(known, { state: 'ended', charged: nanoUsd(ended.charged) })
    } catch {
      if (known.state === 'ending') known.state = 'in doubt'
      this.#customer.scheduler.note(`${known.id} in doubt`)
    }
  }
}
