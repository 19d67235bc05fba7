/** `npm run test:captures -- --dir ../shared/fixtures`: proves the relay and the meter on recorded provider answers. */
import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { FAMILIES, loadCases } from './case.ts'
import { failuresOf, formatTable } from './report.ts'
import { callAll } from './suite.ts'
import { runTranslated } from './translated/run.ts'
import { inWorld } from './world.ts'

const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: '../shared/fixtures' },
    seed: { type: 'string' },
    filter: { type: 'string', default: '' },
    repeat: { type: 'string', default: '1' },
  },
})

process.exitCode = await main(values.dir)

async function main(dir: string): Promise<number> {
  if (!existsSync(dir)) {
    console.log(`skipped: captures directory ${dir} not found`)
    return 0
  }
  const cases = loadCases(dir, values.filter)
  if (cases.length === 0) {
    console.error(`no case in ${dir} matches "${values.filter}"`)
    return 1
  }
  const seed = wholeNumber(values.seed ?? String(Math.floor(Math.random() * 2 ** 31)), 'seed')
  console.log(`${cases.length} cases from ${dir}, seed ${seed}`)
  const repeat = wholeNumber(values.repeat, 'repeat')
  const started = performance.now()
  const end = await inWorld({ cases, seed }, async (world) => {
    const calls = await callAll(world, { cases, seed, repeat })
    console.log(`own protocol: ${Math.round(performance.now() - started)} ms`)
    const ownRows = new Map(
      calls.flatMap(({ call, row }) =>
        row === null ? [] : [[`${call.replayed.family}/${call.replayed.name}`, row] as const],
      ),
    )
    const translated = await runTranslated(world, cases, ownRows)
    console.log(`translated: ${Math.round(performance.now() - started)} ms`)
    return { calls, translated }
  })
  const result = { ...end, calls: end.result.calls }
  for (const family of FAMILIES)
    for (const target of FAMILIES) {
      const of = end.result.translated.filter((one) => one.replayed.family === family && one.target === target)
      if (of.length) console.log(family, '→', target, ...['passed', 'disclosed', 'failed'].map((v) => of.filter((one) => one.verdict === v).length))
    }
  for (const one of end.result.translated) for (const problem of one.problems) console.log(`FAILED ${one.label}: ${problem}`)
  const failures = failuresOf(result)
  console.log(`\n${formatTable(result)}\n\naudit: ${JSON.stringify(result.audit)}`)
  for (const failure of failures) console.log(`FAILED ${failure}`)
  console.log(failures.length === 0 ? 'all as recorded' : `${failures.length} failures; repeat with --seed ${seed}`)
  return failures.length === 0 ? 0 : 1
}

function wholeNumber(text: string, name: string): number {
  if (!/^\d{1,9}\d?$/.test(text)) throw new Error(`--${name} takes a whole number, not ${text}`)
  return Number(text)
}
