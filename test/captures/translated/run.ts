/** Shows every recorded answer to clients of the three other protocols, through the gateway and their own libraries. */
import { setTimeout as wait } from 'node:timers/promises'
import type { LedgerRow } from '../../support/ledger.ts'
import { type Case, FAMILIES, type Family } from '../case.ts'
import { randomFor } from '../random.ts'
import { sideBySide } from '../suite.ts'
import type { Outcome, Verdict } from '../verdict.ts'
import type { World } from '../world.ts'
import { compare, type Difference } from './compare.ts'
import { type Loss, lossesOf } from './losses.ts'
import { type Line, openLine, type Question, questionFor } from './question.ts'
import { readByAiSdk } from './read-ai-sdk.ts'
import { readChat } from './read-chat.ts'
import { readGoogle } from './read-google.ts'
import { readGoogleArray } from './read-google-array.ts'
import { readMessages } from './read-messages.ts'
import { readResponses } from './read-responses.ts'
import type { Seen } from './seen.ts'

const READERS: Readonly<Record<Family, (line: Line, question: Question) => Promise<Seen>>> = {
  'openai-chat': readChat,
  'openai-responses': readResponses,
  'anthropic-messages': readMessages,
  'google-generate': readGoogle,
}

/** A quarter of the cases is read by the AI SDK too; always the same, whatever the seed. */
const AI_SDK_SHARE = 0.25

/** @param ownRows the rows of the cases called in their own protocol, by `family/name` */
export async function runTranslated(
  world: World,
  cases: readonly Case[],
  ownRows: ReadonlyMap<string, LedgerRow>,
): Promise<Outcome[]> {
  const results: Outcome[] = []
  await sideBySide(world, cases, async (replayed) => {
    const ownRow = ownRows.get(`${replayed.family}/${replayed.name}`) ?? null
    const byAiSdk = randomFor(0, `${replayed.family}/${replayed.name}`)() < AI_SDK_SHARE
    for (const target of FAMILIES) {
      if (target === replayed.family) continue
      results.push(await show(world, { replayed, target, ownRow, read: READERS[target], library: '' }))
      if (target === 'google-generate' && replayed.stream)
        results.push(await show(world, { replayed, target, ownRow, read: readGoogleArray, library: ' (array)' }))
      if (!byAiSdk || hasCustomCalls(replayed)) continue
      const read = (line: Line, question: Question) => readByAiSdk(target, line, question)
      results.push(await show(world, { replayed, target, ownRow, read, library: ' (AI SDK)' }))
    }
  })
  return results
}

/** Which the AI SDK's adapters cannot declare as such. */
function hasCustomCalls({ expected }: Case): boolean {
  return (expected.tool_calls ?? []).some(({ kind }) => kind === 'custom')
}

interface Showing {
  readonly replayed: Case
  readonly target: Family
  readonly ownRow: LedgerRow | null
  readonly read: (line: Line, question: Question) => Promise<Seen>
  readonly library: string
}

async function show(world: World, { replayed, target, ownRow, read, library }: Showing): Promise<Outcome> {
  const line = openLine(world)
  const seen = await read(line, questionFor(replayed))
  const head = line.head()
  const row = head === null ? null : await endedRow(world, head.requestId)
  const differences = compare({ replayed, target, seen, row, ownRow })
  const isCovered = ({ covers }: Loss, { field }: Difference) => covers.includes(field)
  const known = lossesOf(replayed, target)
  const losses = known.filter((loss) => loss.covers.length === 0 || differences.some((one) => isCovered(loss, one)))
  const faults = differences.filter((one) => !losses.some((loss) => isCovered(loss, one)))
  const problems = faults.map(({ field, problem }) => `${field}: ${problem}`)
  const verdict: Verdict = problems.length > 0 ? 'failed' : losses.length > 0 ? 'disclosed' : 'passed'
  const label = `${replayed.family}/${replayed.name} → ${target}${library}`
  const family = `${replayed.family}${library}`
  return { family, target, label, verdict, losses: losses.map(({ reason }) => reason), problems }
}

const PATIENCE_MS = 5000

/** A library that gives up in the middle leaves before its money is settled; nobody else does. */
async function endedRow(world: World, requestId: string): Promise<LedgerRow | null> {
  const deadline = Date.now() + PATIENCE_MS
  for (;;) {
    const row = world.rowOf(requestId)
    if (row?.state !== 'held' || Date.now() > deadline) return row
    await wait(20)
  }
}
