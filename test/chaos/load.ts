/** Clients that ask again and again, each in its own way, until they are told to stop. */
import { setTimeout as delay } from 'node:timers/promises'
import { pickInteger, type Random, randomFor } from '../captures/random.ts'
import type { Seen } from './harness/client.ts'
import type { Gateway } from './harness/gateway.ts'
import type { Fault, Script } from './harness/script.ts'
import { FUNDINGS, type World } from './harness/world.ts'

export interface Load {
  /** Resolves when every client has had its last answer. */
  stop(): Promise<void>
  /** Answers by what came of them, such as `200` or `503 storage_unavailable`. */
  tally(): Readonly<Record<string, number>>
}

export interface LoadOptions {
  readonly clients: number
  readonly seed: number
  /** Shares of requests that meet a fault of the upstream, and that their client leaves. */
  readonly faults?: number
  readonly leaves?: number
  /** The longest pause between two pieces of an answer. */
  readonly maxDelayMs?: number
  /** Between two requests of one client. */
  readonly pauseMs?: number
}

const FAULTS: readonly Fault[] = ['cut', 'reset', 'error']

export function startLoad(world: World, name: string, options: LoadOptions): Load {
  const counts = new Map<string, number>()
  let isOver = false
  let serial = 0

  async function keepAsking(client: number): Promise<void> {
    const random = randomFor(options.seed, `${world.engine} ${name} client ${client}`)
    while (!isOver) {
      const gateway = chooseGateway(world, random)
      if (gateway === null) {
        await delay(10)
        continue
      }
      const script = scriptOf(`${name}-${++serial}`, random, options)
      const leaves = random() < (options.leaves ?? 0)
      const { over } = world.ask(gateway, {
        script,
        funding: FUNDINGS[pickInteger(random, 0, FUNDINGS.length - 1)] ?? 'balance',
        stream: random() < 0.6,
        dialect: random() < 0.5 ? 'chat' : 'messages',
        second: random() < 0.1,
        ...(leaves ? { leaveAfterBytes: pickInteger(random, 0, 600) } : {}),
      })
      const seen = await over
      const kind = kindOf(seen, leaves)
      counts.set(kind, (counts.get(kind) ?? 0) + 1)
      // Whoever is refused comes back later, as agents do.
      const pauseMs = seen.status === 503 || seen.status === null ? 100 : (options.pauseMs ?? 0)
      if (pauseMs > 0) await delay(pauseMs * random())
    }
  }

  const clients = Array.from({ length: options.clients }, (_, client) => keepAsking(client))
  return {
    tally: () => Object.fromEntries([...counts].toSorted(([a], [b]) => a.localeCompare(b))),
    async stop() {
      isOver = true
      await Promise.all(clients)
    },
  }
}

function chooseGateway({ gateways }: World, random: Random): Gateway | null {
  const up = gateways.filter((gateway) => gateway.baseUrl() !== null)
  return up[pickInteger(random, 0, up.length - 1)] ?? null
}

function scriptOf(id: string, random: Random, { faults = 0, maxDelayMs = 20 }: LoadOptions): Script {
  const isFaulty = random() < faults
  return {
    id,
    chunks: pickInteger(random, 1, 8),
    delayMs: pickInteger(random, 0, maxDelayMs),
    // More than any estimate of these small requests comes to.
    usage: { input: pickInteger(random, 400, 600), output: pickInteger(random, 50, 900) },
    fault: isFaulty ? (FAULTS[pickInteger(random, 0, FAULTS.length - 1)] ?? 'cut') : 'whole',
  }
}

function kindOf({ status, terminal, error }: Seen, leaves: boolean): string {
  if (leaves) return 'left'
  if (status === null) return 'no answer'
  if (terminal) return String(status)
  return error === null ? `${status} cut` : `${status} ${error}`
}
