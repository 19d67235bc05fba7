/** Guards the house: who may import whom, how long files get, and what never stands in code. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative, sep } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** From the top. A floor imports from floors below it; never upwards, never sideways. */
const FLOORS: readonly (readonly string[])[] = [
  ['main'],
  ['api', 'cli'],
  ['gateway', 'control'],
  ['ledger'],
  ['store', 'upstream'],
  ['protocol', 'domain', 'contract'],
  ['base'],
]
const MAX_LINES = 400

interface SourceFile {
  readonly path: string
  readonly text: string
}

function listSources(directory: string): SourceFile[] {
  return readdirSync(join(ROOT, directory), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => ({ path: join(directory, name), text: readFileSync(join(ROOT, directory, name), 'utf8') }))
}

/** `src/api/server.ts` is in `api`; a file right below `src` is in `main`. */
function roomOf(path: string): string {
  const parts = path.split(sep)
  return parts.length === 2 ? 'main' : (parts[1] as string)
}

function floorOf(room: string): number {
  return FLOORS.findIndex((rooms) => rooms.includes(room))
}

function importsOf(file: SourceFile): string[] {
  const found = file.text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*['"](\.{1,2}\/[^'"]+)['"]/g)
  return [...found].map((match) => relative(ROOT, normalize(join(ROOT, dirname(file.path), match[1] as string))))
}

function brokenImports(files: readonly SourceFile[]): string[] {
  const broken: string[] = []
  for (const file of files) {
    for (const target of importsOf(file)) {
      if (!target.startsWith(`src${sep}`)) {
        broken.push(`${file.path} imports ${target}, outside src`)
        continue
      }
      const from = roomOf(file.path)
      const to = roomOf(target)
      if (from !== to && floorOf(from) >= floorOf(to)) broken.push(`${file.path} (${from}) imports ${target} (${to})`)
    }
  }
  return broken
}

const sources = listSources('src')
const production = sources.filter(({ path }) => !path.endsWith('.test.ts') && !/[/\\]test-[\w-]+\.ts$/.test(path))

describe('tidy', () => {
  it('every room of src is on a floor', () => {
    const unknown = [...new Set(sources.map(({ path }) => roomOf(path)))].filter((room) => floorOf(room) === -1)
    assert.deepEqual(unknown, [])
  })

  it('imports go down the floors only', () => {
    assert.deepEqual(brokenImports(production), [])
  })

  it('the check of imports catches a planted one', () => {
    const planted = {
      path: join('src', 'store', 'planted.ts'),
      text: "import type { Gateway } from '../gateway/gateway.ts'",
    }
    assert.equal(brokenImports([planted]).length, 1)
    const sideways = { path: join('src', 'api', 'planted.ts'), text: "import { x } from '../cli/main.ts'" }
    assert.equal(brokenImports([sideways]).length, 1)
  })

  it(`no file is longer than ${MAX_LINES} lines`, () => {
    const long = sources.filter(({ text }) => text.split('\n').length > MAX_LINES).map(({ path }) => path)
    assert.deepEqual(long, [])
  })

  it('every file begins with a sentence on its job', () => {
    const silent = production.filter(({ text }) => !/^(?:#!.*\n)?\/\*\*/.test(text)).map(({ path }) => path)
    assert.deepEqual(silent, [])
  })

  it('money is computed in one file: no other divides or rounds it', () => {
    const computing = production
      .filter(({ path }) => !path.endsWith(join('base', 'money.ts')))
      .filter(({ text }) => /1_000_000_000n|1000000000n|parseFloat\(/.test(text))
      .map(({ path }) => path)
    assert.deepEqual(computing, [])
  })

  it('SQL stands in the store, and is put together only in reports, from column names of their own', () => {
    const isReport = /[/\\]store[/\\](?:audit(?:-\w+)*|request-list|request-detail|usage-cube|table-copy)\.ts$/
    const building = production
      .filter(({ path }) => !isReport.test(path))
      .filter(({ text }) => /\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM)\b[^'"`\n]*\$\{/.test(text))
    const elsewhere = production
      .filter(({ path }) => roomOf(path) !== 'store')
      .filter(({ text }) => /['"`](?:SELECT|INSERT INTO|UPDATE|DELETE FROM) /.test(text))
    assert.deepEqual(
      [...building, ...elsewhere].map(({ path }) => path),
      [],
    )
  })
})
