/** Reloading: a changed file comes into use, a bad one never does. Real files and the system's own change events. */
import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { AppError } from '../base/errors.ts'
import { formatProblems } from '../domain/config-parse.ts'
import type { CatalogSnapshot } from './catalog-source.ts'
import { type CatalogWatch, watchCatalog } from './catalog-watch.ts'

/** What the watch reported, in order; `next` waits for the report after the last one taken. */
interface Reports {
  next(): Promise<string>
  pending(): number
}

function reportQueue(): Reports & { push(report: string): void } {
  const reports: string[] = []
  let wake: (() => void) | undefined
  return {
    push(report) {
      reports.push(report)
      wake?.()
    },
    async next() {
      while (reports.length === 0) await new Promise<void>((resolve) => (wake = resolve))
      return reports.shift() ?? ''
    },
    pending: () => reports.length,
  }
}

interface Watched {
  readonly path: string
  readonly directory: string
  readonly watch: CatalogWatch
  readonly reports: Reports
}

async function start(t: TestContext, text: string, onChange?: (snapshot: CatalogSnapshot) => void): Promise<Watched> {
  const directory = mkdtempSync(join(tmpdir(), 'zendo-catalog-watch-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'zendo.jsonc')
  writeFileSync(path, text)
  const reports = reportQueue()
  const watch = await watchCatalog({
    configPath: path,
    env: {},
    simulatedBaseUrl: 'http://127.0.0.1:40001/v1',
    settleMs: 20,
    onChange(snapshot) {
      onChange?.(snapshot)
      // It comes into use once this returns.
      setImmediate(() => reports.push(`changed: ${nameOf(snapshot)}`))
    },
    onProblems: (problems) => reports.push(formatProblems(problems).replaceAll(path, 'F')),
  })
  t.after(() => watch.close())
  return { path, directory, watch, reports }
}

function named(name: string): string {
  return JSON.stringify({ models: { 'sim/echo': { name } } })
}

function nameOf(snapshot: CatalogSnapshot): string {
  return snapshot.catalog.models.zen.get('sim/echo')?.name ?? ''
}

describe('a watched file', () => {
  test('that is rewritten in place comes into use; a snapshot already taken does not change', async (t) => {
    const { path, watch, reports } = await start(t, named('one'))
    const before = watch.current()
    writeFileSync(path, named('two'))
    assert.equal(await reports.next(), 'changed: two')
    assert.equal(nameOf(watch.current()), 'two')
    assert.equal(nameOf(before), 'one')
  })

  test('that is replaced by another file, as editors do, comes into use, again and again', async (t) => {
    const { path, directory, watch, reports } = await start(t, named('one'))
    for (const name of ['two', 'three']) {
      writeFileSync(join(directory, 'new'), named(name))
      renameSync(join(directory, 'new'), path)
      assert.equal(await reports.next(), `changed: ${name}`)
    }
    assert.equal(nameOf(watch.current()), 'three')
  })

  test('that turns bad is reported with its line, and the last good snapshot stays', async (t) => {
    const { path, watch, reports } = await start(t, named('one'))
    const good = watch.current()
    writeFileSync(path, '{\n  "modles": {}\n}')
    assert.equal(await reports.next(), 'F:2:3: modles: there is no such key')
    assert.equal(watch.current(), good)
    writeFileSync(path, named('two'))
    assert.equal(await reports.next(), 'changed: two')
  })

  test('that was asked for and is removed leaves the last good snapshot in use, until it comes back', async (t) => {
    const { path, watch, reports } = await start(t, named('one'))
    unlinkSync(path)
    assert.match((await reports.next()) ?? '', /there is no such file/)
    assert.equal(nameOf(watch.current()), 'one')
    writeFileSync(path, named('two'))
    assert.equal(await reports.next(), 'changed: two')
  })

  test('is not taken into use when the callback that prepares it fails', async (t) => {
    const { path, watch, reports } = await start(t, named('one'), (snapshot) => {
      if (nameOf(snapshot) === 'two') throw new Error('the database is away')
    })
    writeFileSync(path, named('two'))
    assert.match(await reports.next(), /taking it into use failed/)
    assert.equal(nameOf(watch.current()), 'one')
  })
})

describe('an explicit reload', () => {
  test('reads secrets again though the file has not changed', async (t) => {
    const { directory, path, watch, reports } = await start(t, '{}')
    writeFileSync(join(directory, 'key'), 'sk-1\n')
    writeFileSync(path, '{"providers":{"zai":{"apiKey":"file:key"}}}')
    await reports.next()
    assert.equal(watch.current().catalog.providers.get('zai')?.apiKey, 'sk-1')
    writeFileSync(join(directory, 'key'), 'sk-2\n')
    const loaded = await watch.reload()
    assert.ok(loaded.ok)
    assert.equal(watch.current(), loaded.snapshot)
    assert.equal(watch.current().catalog.providers.get('zai')?.apiKey, 'sk-2')
  })

  test('returns the problems of a bad file and keeps the last good snapshot', async (t) => {
    const { path, watch } = await start(t, named('one'))
    writeFileSync(path, '{')
    const loaded = await watch.reload()
    assert.equal(loaded.ok, false)
    assert.equal(nameOf(watch.current()), 'one')
  })
})

describe('the ends of a watch', () => {
  test('a bad file at the start is an error that names every problem', async (t) => {
    await assert.rejects(
      start(t, '{ "a": 1, "b": 2 }'),
      (error) =>
        error instanceof AppError &&
        /zendo\.jsonc:1:3: a: there is no such key\n.*zendo\.jsonc:1:11: b: there is no such key$/.test(error.message),
    )
  })

  test('after close nothing is reported, also by a reload under way', async (t) => {
    const { path, watch, reports } = await start(t, named('one'))
    writeFileSync(path, named('two'))
    const reload = watch.reload()
    watch.close()
    await reload
    assert.equal(nameOf(watch.current()), 'one')
    assert.equal(reports.pending(), 0)
  })
})
