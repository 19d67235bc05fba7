/** What M03, M06 and M07 share: answers that wait before their end, and what must come of them while nothing is written. */
import type { PostgresCluster } from '../support/postgres.ts'
import { until, within } from '../support/until.ts'
import { takeWriteLock } from '../support/write-lock.ts'
import type { Asked, Seen } from './harness/client.ts'
import type { Gateway } from './harness/gateway.ts'
import { FUNDINGS, type World } from './harness/world.ts'

const USAGE = { input: 400, output: 70 }
const BEGIN_LIMIT_MS = 20_000
/** An end goes to the spill after 250 ms; the rest is what a busy machine takes. */
export const END_LIMIT_MS = 4000
/** A hold is refused after a second. */
export const REFUSE_LIMIT_MS = 4000

/** The database answers no writer until the returned function is called. */
export function blockDatabase(gateway: Gateway, cluster: PostgresCluster | null): () => void {
  if (!cluster) return takeWriteLock(gateway.dataDir).release
  cluster.freeze()
  return () => cluster.thaw()
}

/** Sends so many requests and resolves once each of them waits at the upstream. */
export async function putUnderWay(world: World, gateway: Gateway, name: string, count: number): Promise<Asked[]> {
  const asked = Array.from({ length: count }, (_, index) => {
    const script = { id: `${name}-${index}`, chunks: 3, delayMs: 0, usage: USAGE, fault: 'gate' } as const
    const funding = FUNDINGS[index % FUNDINGS.length] ?? 'balance'
    const dialect = index % 3 === 0 ? 'messages' : 'chat'
    return world.ask(gateway, { script, funding, stream: index % 2 === 0, dialect })
  })
  for (const { id, question, answer } of asked) {
    await within(`${id} reaches the upstream`, world.upstream.begun(id), BEGIN_LIMIT_MS)
    if (question.stream) await within(`${id} begins`, answer.saw('part 1'), BEGIN_LIMIT_MS)
  }
  return asked
}

/** Lets them end, and resolves with those whose client did not see the end in time. */
export async function endAll(world: World, asked: readonly Asked[], limitMs = END_LIMIT_MS): Promise<string[]> {
  for (const { id } of asked) world.upstream.open(id)
  const isEnded = ({ seen }: Asked): boolean => seen().terminal
  await until('all have ended', () => asked.every(isEnded), limitMs).catch(() => undefined)
  return asked
    .filter((one) => !isEnded(one))
    .map(({ id, seen }) => `${id}: its client did not see the end: ${seen().status} ${seen().error}`)
}

/** Asks for what cannot be held now: 503 in time, with a time to come back, and not a byte upstream. */
export async function refuseAll(world: World, gateway: Gateway, name: string, count: number): Promise<string[]> {
  const asked = Array.from({ length: count }, (_, index) => {
    const script = { id: `${name}-${index}`, chunks: 1, delayMs: 0, usage: USAGE, fault: 'whole' } as const
    const funding = FUNDINGS[index % FUNDINGS.length] ?? 'balance'
    return world.ask(gateway, { script, funding, stream: index % 2 === 0 })
  })
  const refused = await within(`${name} are refused`, Promise.all(asked.map(({ over }) => over)), 30_000)
  return refused.flatMap((seen) => wrongRefusal(world, seen))
}

function wrongRefusal({ upstream }: World, seen: Seen): string[] {
  const { id, status, error, retryAfter, invokedAtMs, overAtMs } = seen
  const tookMs = Math.round((overAtMs ?? 0) - invokedAtMs)
  const wrong: string[] = []
  if (status !== 503 || error !== 'storage_unavailable') wrong.push(`${id} got ${status} ${error} instead of a refusal`)
  if (Number(retryAfter) < 1) wrong.push(`${id} was not told when to come back`)
  if (tookMs > REFUSE_LIMIT_MS) wrong.push(`${id} was refused only after ${tookMs} ms`)
  if (upstream.hasBegun(id)) wrong.push(`${id} was refused and reached the upstream`)
  return wrong
}

/** An ordinary request, which must be answered. */
export async function askOnce(world: World, gateway: Gateway, id: string): Promise<Seen> {
  const script = { id, chunks: 2, delayMs: 0, usage: USAGE, fault: 'whole' } as const
  const { over } = world.ask(gateway, { script, funding: 'balance', stream: true })
  return await within(`${id} is over`, over, 30_000)
}

/** Resolves with how long it took until a gateway answered again, in milliseconds. */
export async function untilAnswered(world: World, gateway: Gateway, name: string, limitMs: number): Promise<number> {
  const beganAt = performance.now()
  let tries = 0
  await until(
    `${name} is answered`,
    async () => (await askOnce(world, gateway, `${name}-${tries++}`)).terminal,
    limitMs,
  )
  return Math.round(performance.now() - beganAt)
}
