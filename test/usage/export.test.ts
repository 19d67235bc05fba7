/**
 * `GET /api/export`: what it holds is enough to compute every charge again, without Zendo, to the nano-dollar; whoever
 * changes a digit of it is found out.
 */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { newId } from '../../src/base/ids.ts'
import type { UsageTotals } from '../../src/control/usage-total.ts'
import type { Database } from '../../src/store/database.ts'
import { forEachEngine, type TestEngine } from '../support/engines.ts'
import { fillBooks, MEMBER, MINE, randomFrom } from './books.ts'
import { type RecomputedTotals, recompute, runScript } from './recompute.ts'
import { NOW_MS, type Page, type Person, startWorld, type World } from './world.ts'

async function createWorld(t: TestContext, engine: TestEngine, requests = 1300): Promise<World & { db: Database }> {
  const db = await engine.openDatabase(t)
  await fillBooks(db, { requests, seed: 21 })
  return { ...(await startWorld(t, db)), db }
}

async function readText(world: World, query: string, person?: Person): Promise<string> {
  const response = await world.fetch(`/api/export?${query}`, person)
  const text = await response.text()
  assert.equal(response.status, 200, text)
  return text
}

type Line = Record<string, unknown> & { readonly type: string; readonly id: string }

function parseLines(text: string): Line[] {
  assert.ok(text.endsWith('\n'))
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
}

async function totalsOf(text: string, prices?: string): Promise<RecomputedTotals> {
  const { exitCode, stdout, stderr } = await recompute(text, prices, '--json')
  assert.equal(exitCode, 0, stdout + stderr)
  return JSON.parse(stdout) as RecomputedTotals
}

forEachEngine((engine) => {
  describe('an export', () => {
    it('as JSON lines has every request as the list shows it, and each price before its first use', async (t) => {
      const world = await createWorld(t, engine)
      const lines = parseLines(await readText(world, 'format=jsonl'))
      const listed: unknown[] = []
      let cursor = ''
      do {
        const page: Page = await world.get<Page>(`/api/requests?limit=200${cursor}`)
        listed.unshift(...page.data.toReversed())
        cursor = page.next_cursor === null ? '' : `&cursor=${page.next_cursor}`
      } while (cursor !== '')
      const requests = lines.filter(({ type }) => type === 'request')
      assert.deepEqual(
        requests.map(({ type, ...request }) => request),
        listed,
      )
      assert.deepEqual([lines[0]?.type, lines.at(-1)?.type, lines.at(-1)?.requests], ['export', 'end', requests.length])
      const known = new Set<unknown>([null])
      for (const line of lines) {
        if (line.type === 'price_version') known.add(line.version)
        if (line.type === 'request') assert.ok(known.has(line.price_version), `${line.id} comes before its price`)
      }
      assert.equal(known.size, lines.filter(({ type }) => type === 'price_version').length + 1)
    })

    it('in either form is computed again offline, and agrees with the books to the nano-dollar', async (t) => {
      const world = await createWorld(t, engine)
      const fromLines = await totalsOf(await readText(world, 'format=jsonl'))
      const fromCsv = await totalsOf(
        await readText(world, 'format=csv'),
        await readText(world, 'format=csv&what=prices'),
      )
      assert.deepEqual(fromCsv, fromLines)
      const { total } = await world.get<UsageTotals>('/api/usage')
      assert.deepEqual(fromLines.charged_nano, { balance: total.balance_nano, plan: total.plan_nano })
      assert.equal(fromLines.written_off_nano, total.written_off_nano)
      assert.deepEqual([fromLines.settled + fromLines.released, fromLines.estimated], [total.requests, total.estimated])
      assert.equal(fromLines.tokens.cached_read, String(total.tokens.cached_read))
      for (const name of ['5 hour', 'weekly', 'monthly'])
        assert.equal(fromLines.counted_nano[`seat ${name}`], total.counted_nano)
      const ledger = await world.db.get<{ spent: bigint }>(
        "SELECT -SUM(e.amount) AS spent FROM entry e JOIN transfer t ON t.id = e.transfer_id WHERE e.account_id = ? AND t.kind = 'settlement'",
        `acc_${MINE}`,
      )
      assert.equal(fromLines.charged_nano.balance, String(ledger?.spent))
    })

    it('of a period and a filter has what they let through', async (t) => {
      const world = await createWorld(t, engine)
      const query = 'since=2026-10-23&until=2026-10-25&model=minimax'
      const lines = parseLines(await readText(world, query)).filter(({ type }) => type === 'request')
      const listed = await world.get<Page>(`/api/requests?limit=200&${query}`)
      assert.ok(listed.next_cursor === null && lines.length > 20)
      assert.deepEqual(
        lines.map(({ id }) => id),
        listed.data.map(({ id }) => id).reverse(),
      )
    })

    it("of a member is its own, and a stranger's has none of it", async (t) => {
      const world = await createWorld(t, engine)
      const members = async (person: Person) =>
        new Set(
          parseLines(await readText(world, '', person))
            .filter(({ type }) => type === 'request')
            .map(({ member }) => member),
        )
      assert.deepEqual(await members('member'), new Set([MEMBER.memberId]))
      assert.deepEqual(await members('stranger'), new Set(['mem_stranger']))
      assert.deepEqual(await members('admin'), new Set(['mem_admin', MEMBER.memberId]))
      assert.deepEqual(await members('agent'), new Set(['mem_admin']), "an admin's key for inference alone")
    })

    it('of nothing has a head and an end', async (t) => {
      const world = await createWorld(t, engine, 10)
      assert.deepEqual(
        parseLines(await readText(world, 'until=1')).map(({ type }) => type),
        ['export', 'end'],
      )
      assert.match(await readText(world, 'format=csv&until=1'), /^id,created_at,.*\r\n$/)
      assert.equal(
        await readText(world, 'format=csv&what=prices&until=1'),
        'version,above,input,cached_read,cache_write_5m,cache_write_1h,output\r\n',
      )
    })

    it('ends at the instant at which it was asked for', async (t) => {
      const world = await createWorld(t, engine, 10)
      const insert =
        "INSERT INTO request (id, workspace_id, product, protocol, model, stream, funding, state, weight_ppm, hold, created_at) VALUES (?, ?, 'zen', 'openai-chat', 'm', 1, 'free', 'held', 1, 0, ?)"
      const [last, next] = [newId('req', NOW_MS), newId('req', NOW_MS)]
      await world.db.run(insert, last, MINE, NOW_MS)
      await world.db.run(insert, next, MINE, NOW_MS + 1)
      const ids = parseLines(await readText(world, 'funding=free&state=held')).map(({ id }) => id)
      assert.ok(ids.includes(last) && !ids.includes(next))
    })

    it('as CSV keeps texts of clients whole, and runs none of them as a formula', async (t) => {
      const world = await createWorld(t, engine, 20)
      await world.db.run("UPDATE request SET session = ? WHERE state <> 'held'", '=HYPERLINK("http://x","a,\nb")')
      const text = await readText(world, 'format=csv')
      assert.ok(text.includes(`"'=HYPERLINK(""http://x"",""a,\nb"")"`))
      await totalsOf(text, await readText(world, 'format=csv&what=prices'))
    })

    it('is refused in a form that is none', async (t) => {
      const world = await createWorld(t, engine, 5)
      for (const [query, name] of [
        ['format=xml', 'format'],
        ['what=all', 'what'],
        ['what=prices', 'what'],
        ['limit=5', 'limit'],
      ] as const) {
        const { status, param } = await world.refusal(`/api/export?${query}`)
        assert.deepEqual([status, param], [400, name])
      }
    })
  })
})

describe('an export that somebody changed', () => {
  /** The digits that say what was charged and why: a change of any of them is found. */
  const FIELDS = ['hold', 'max_hold', 'cost', 'charged', 'counted'].flatMap((name) => [name, `${name}_nano`])
  const DIGIT = new RegExp(`"(?:${FIELDS.join('|')})":"[\\d.]*?(\\d)[\\d.]*"`, 'g')

  forEachEngine((engine) => {
    if (engine.name !== 'sqlite') return

    it('is found out by any digit of any amount', async (t) => {
      const world = await createWorld(t, engine, 60)
      const text = await readText(world, '')
      const random = randomFrom(4)
      const places = [...text.matchAll(DIGIT)].filter(() => random() < 0.07)
      assert.ok(places.length > 15, `${places.length} places`)
      for (const { index, 0: found } of places) {
        const digits = [...found.matchAll(/\d/g)].filter((match) => match.index > found.indexOf(':'))
        const at = index + (digits[Math.floor(random() * digits.length)]?.index ?? 0)
        const changed =
          text.slice(0, at) + String((Number(text[at]) + 1 + Math.floor(random() * 9)) % 10) + text.slice(at + 1)
        const { exitCode, stdout, stderr } = await recompute(changed)
        assert.equal(exitCode, 1, `${found} at ${at}: ${stdout}${stderr}`)
        assert.match(stdout, /^DIFFERENT req_/)
      }
    })

    it('is found out by its tokens, rates, tiers and weights', async (t) => {
      const world = await createWorld(t, engine, 400)
      const text = await readText(world, 'state=settled')
      for (const [what, changed] of [
        ['a token', text.replace(/"output":([1-9]\d*),/, (_, n) => `"output":${Number(n) + 1},`)],
        ['a rate', text.replace('"output":"4400000000"', '"output":"4500000000"')],
        ['a threshold', text.replace('"above":1000', '"above":100')],
        ['a weight', text.replaceAll('"weight_ppm":"1333333"', '"weight_ppm":"1333334"')],
        ['a state', text.replace('"state":"settled"', '"state":"released"')],
      ] as const) {
        assert.notEqual(changed, text, what)
        assert.equal((await recompute(changed)).exitCode, 1, what)
      }
      assert.equal((await recompute(text)).exitCode, 0)
    })

    it('is found out by lines that are missing, doubled, or no lines at all', async (t) => {
      const world = await createWorld(t, engine, 200)
      const text = await readText(world, '')
      const lines = text.trimEnd().split('\n')
      const cases: readonly (readonly [string, readonly string[], number])[] = [
        ['without its end', lines.slice(0, -1), 1],
        ['without a request', lines.toSpliced(-3, 1), 1],
        ['with a request twice', lines.toSpliced(-2, 0, lines.at(-2) as string), 1],
        ['without its prices', lines.filter((line) => !line.startsWith('{"type":"price_version"')), 2],
        ['cut in a line', [...lines.slice(0, -2), (lines.at(-2) as string).slice(0, 90)], 2],
        ['with more after its end', [...lines, lines[5] as string], 2],
      ]
      for (const [what, kept, exitCode] of cases) {
        assert.equal((await recompute(`${kept.join('\n')}\n`)).exitCode, exitCode, what)
      }
      assert.equal((await runScript([])).exitCode, 2)
      assert.equal((await runScript(['/nonexistent'])).exitCode, 2)
    })

    it('as CSV is found out by a digit, and by a last row that is cut off', async (t) => {
      const world = await createWorld(t, engine, 200)
      const text = await readText(world, 'format=csv&state=settled&funding=balance')
      const prices = await readText(world, 'format=csv&what=prices')
      assert.equal((await recompute(text, prices)).exitCode, 0)
      const rows = text.split('\r\n')
      // One without quotes, so that its cells are told apart by commas alone.
      const row = rows.findIndex((text, index) => index > 0 && text !== '' && !text.includes('"'))
      const cells = (rows[row] as string).split(',')
      const at = (rows[0] as string).split(',').indexOf('input_tokens')
      const changed = rows.with(row, cells.with(at, String(Number(cells[at]) + 1000)).join(','))
      assert.equal((await recompute(changed.join('\r\n'), prices)).exitCode, 1)
      assert.equal((await recompute(text.slice(0, -30), prices)).exitCode, 2)
      assert.equal((await recompute(text, prices.replace('4400000000', '4500000000'))).exitCode, 1)
      assert.equal((await recompute(text)).exitCode, 2)
    })
  })
})
