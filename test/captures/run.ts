/** `npm run test:captures -- --dir ../shared/fixtures`: proves relay, meter and translation on recorded traffic. */
import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type Case, loadCases } from './case.ts'
import { clientAnswers, clientModels, loadRecorded, type Recorded } from './clients/recorded.ts'
import { runClients } from './clients/run.ts'
import { type CountCase, countAnswers, countModels, loadCounts, runCounts } from './counts.ts'
import { type Asked, fuzzCorpus } from './fuzz.ts'
import { type ListCase, loadLists, runLists } from './lists.ts'
import { failuresIn, formatMatrix, formatReasons, outcomesOf } from './matrix.ts'
import { formatTable } from './report.ts'
import { type CallResult, callAll, rowsOf } from './suite.ts'
import { runTranslated } from './translated/run.ts'
import type { Outcome } from './verdict.ts'
import { inWorld, modelIdOf, type World } from './world.ts'

const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: '../shared/fixtures' },
    seed: { type: 'string' },
    filter: { type: 'string', default: '' },
    repeat: { type: 'string', default: '1' },
  },
})

/** Everything in the directory whose name has the filter in it. */
interface Corpus {
  readonly cases: readonly Case[]
  readonly counts: readonly CountCase[]
  readonly lists: readonly ListCase[]
  readonly clients: readonly Recorded[]
}

process.exitCode = await main(values.dir)

async function main(dir: string): Promise<number> {
  if (!existsSync(dir)) {
    console.log(`skipped: captures directory ${dir} not found`)
    return 0
  }
  const corpus = loadCorpus(dir, values.filter)
  const sizes = Object.entries(corpus).map(([name, { length }]) => `${length} ${name}`)
  if (Object.values(corpus).every(({ length }) => length === 0)) {
    console.error(`nothing in ${dir} matches "${values.filter}"`)
    return 1
  }
  const seed = wholeNumber(values.seed ?? String(Math.floor(Math.random() * 2 ** 31)), 'seed')
  console.log(`${sizes.join(', ')} from ${dir}, seed ${seed}`)
  const failures = await runAll(corpus, seed)
  for (const failure of failures) console.log(`FAILED ${failure}`)
  console.log(failures.length === 0 ? 'all as recorded' : `${failures.length} failures; repeat with --seed ${seed}`)
  return failures.length === 0 ? 0 : 1
}

function loadCorpus(dir: string, filter: string): Corpus {
  return {
    cases: loadCases(dir, filter),
    counts: loadCounts(dir, filter),
    lists: loadLists(dir, filter),
    clients: loadRecorded(dir, filter),
  }
}

async function runAll(corpus: Corpus, seed: number): Promise<string[]> {
  const { cases, counts, clients } = corpus
  const models = { ...countModels(counts), ...clientModels(clients) }
  const plain = new Map([...countAnswers(counts), ...clientAnswers(clients)])
  const repeat = wholeNumber(values.repeat, 'repeat')
  const { result, gateway, audit } = await inWorld({ cases, seed, models, plain }, async (world) => {
    const calls = await callAll(world, { cases, seed, repeat })
    return { calls, others: await runOthers(world, corpus, calls) }
  })
  const outcomes = [...outcomesOf(result.calls), ...result.others]
  console.log(`\nin their own protocol:\n${formatTable({ calls: result.calls, gateway, audit })}`)
  console.log(`\naudit: ${JSON.stringify(audit)}`)
  console.log(`\ndisclosed:\n${formatReasons(outcomes)}`)
  console.log(`\n${formatMatrix(outcomes)}\n`)
  const broken = fuzzCorpus(cases, requestsOf(cases, clients), seed)
  console.log(`broken at random: ${broken.runs} recordings, ${broken.failures.length} failures\n`)
  return [...failuresIn(outcomes), ...broken.failures, ...gateway.map((problem) => `gateway: ${problem}`)]
}

async function runOthers(world: World, corpus: Corpus, calls: readonly CallResult[]): Promise<Outcome[]> {
  const { cases, counts, lists, clients } = corpus
  const offered = cases.map(({ family, name }) => modelIdOf(family, name))
  return [
    ...(await runTranslated(world, cases, rowsOf(calls))),
    ...(await runCounts(world, counts)),
    ...(await runLists(world, lists, offered)),
    ...(await runClients(world, clients)),
  ]
}

/** Every recorded request: of agents, and of the recordings of answers. */
function requestsOf(cases: readonly Case[], clients: readonly Recorded[]): Asked[] {
  return [
    ...clients.flatMap(({ agent, name, family, action, body }) =>
      body && action === 'answer' ? [{ protocol: family, name: `${agent}/${name}`, body }] : [],
    ),
    ...cases.flatMap(({ family, name, request }) => (request ? [{ protocol: family, name, body: request }] : [])),
  ]
}

function wholeNumber(text: string, name: string): number {
  if (!/^\d{1,9}\d?$/.test(text)) throw new Error(`--${name} takes a whole number, not ${text}`)
  return Number(text)
}
