/** `GET /api/requests`: every request is on one page, once; filters hold what they say; nobody sees another's. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { formatUsd } from '../../src/base/money.ts'
import { listRequestPage } from '../../src/control/request-list.ts'
import type { RequestView } from '../../src/control/request-view.ts'
import type { Explanation } from '../../src/control/usage-explain.ts'
import { formatKey } from '../../src/domain/api-key.ts'
import type { Database } from '../../src/store/database.ts'
import { allRequestsOf } from '../../src/store/request-list.ts'
import { forEachEngine, type TestEngine } from '../support/engines.ts'
import { ADMIN, fillBooks, MEMBER, MINE, randomFrom, SINCE_MS } from './books.ts'
import { type Page, type Person, startWorld, type World } from './world.ts'

const REQUESTS = 900

async function createWorld(t: TestContext, engine: TestEngine): Promise<World & { readonly db: Database }> {
  const db = await engine.openDatabase(t)
  await fillBooks(db, { requests: REQUESTS, seed: 3 })
  return { ...(await startWorld(t, db)), db }
}

/** All pages of a query, one after the other. */
async function readPages(world: World, query: string, person?: Person): Promise<RequestView[]> {
  const found: RequestView[] = []
  let cursor: string | null = null
  do {
    const page: Page = await world.get<Page>(
      `/api/requests?${query}${cursor === null ? '' : `&cursor=${cursor}`}`,
      person,
    )
    found.push(...page.data)
    cursor = page.next_cursor
  } while (cursor !== null)
  return found
}

async function idsOf(db: Database, workspaceId: string): Promise<string[]> {
  const rows = await db.all<{ id: string }>('SELECT id FROM request WHERE workspace_id = ?', workspaceId)
  return rows
    .map(({ id }) => id)
    .sort()
    .reverse()
}

forEachEngine((engine) => {
  describe('pages of requests', () => {
    it('have every request of the workspace once, newest first, whatever their size', async (t) => {
      const world = await createWorld(t, engine)
      const expected = await idsOf(world.db, MINE)
      for (const limit of [1, 7, 50, 200]) {
        // A page each would take its time.
        const until = limit === 1 ? `&since=${SINCE_MS + 6.9 * 86_400_000}` : ''
        const ids = (await readPages(world, `limit=${limit}${until}`)).map(({ id }) => id)
        assert.deepEqual(ids, limit === 1 ? expected.slice(0, ids.length) : expected)
        assert.ok(ids.length > 3)
      }
    })

    it('go on where they were, whatever is added meanwhile', async (t) => {
      const world = await createWorld(t, engine)
      const before = await idsOf(world.db, MINE)
      const first = await world.get<Page>('/api/requests?limit=100')
      await world.db.run(
        "INSERT INTO request (id, workspace_id, product, protocol, model, stream, funding, state, weight_ppm, hold, created_at) VALUES ('req_z', ?, 'zen', 'openai-chat', 'm', 1, 'free', 'held', 1, 0, 1)",
        MINE,
      )
      const second = await world.get<Page>(`/api/requests?limit=100&cursor=${first.next_cursor}`)
      assert.deepEqual(
        [...first.data, ...second.data].map(({ id }) => id),
        before.slice(0, 200),
      )
    })

    it('show amounts twice, exactly, with tries, tokens and what each window counted', async (t) => {
      const world = await createWorld(t, engine)
      const all = await readPages(world, 'limit=200')
      for (const request of all) {
        for (const what of ['hold', 'cost', 'charged'] as const) {
          const nano = request[`${what}_nano`]
          assert.equal(request[what], nano === null ? null : formatUsd(BigInt(nano)))
        }
        assert.equal(request.charged === null, request.state === 'held')
        assert.equal(request.attempts.length === 0, request.state === 'held')
        assert.equal(request.counted.length >= 3, request.funding === 'plan')
      }
      const row = await world.db.get<{ c: bigint }>(
        'SELECT SUM(c.counted) AS c FROM request_meter c JOIN request r ON r.id = c.request_id WHERE r.workspace_id = ?',
        MINE,
      )
      const counted = all
        .flatMap((request) => request.counted)
        .reduce((sum, { counted_nano }) => sum + BigInt(counted_nano), 0n)
      assert.equal(counted, row?.c)
      assert.ok(all.some(({ tags }) => tags.join() === 'nightly,team=core'))
    })

    /** Each filter with what it should let through. */
    const filters: readonly (readonly [string, (request: RequestView) => boolean])[] = [
      ['model=minimax', (r) => r.model === 'minimax'],
      ['state=released', (r) => r.state === 'released'],
      ['state=held', (r) => r.state === 'held'],
      ['outcome=upstream_cut', (r) => r.outcome === 'upstream_cut'],
      ['funding=plan&product=go', (r) => r.funding === 'plan'],
      ['session=ses_7', (r) => r.session === 'ses_7'],
      ['key=key_member', (r) => r.key === 'key_member'],
      [`member=${MEMBER.memberId}`, (r) => r.member === MEMBER.memberId],
      ['tag=nightly', (r) => r.tags.includes('nightly')],
      ['tag=team=core', (r) => r.tags.includes('team=core')],
      ['tag=team', () => false],
      ['tag=NIGHTLY', () => false],
      ['provider=umbrella', (r) => r.provider === 'umbrella'],
      ['model=x%25', () => false],
      [
        'since=2026-10-23&until=2026-10-24T12:00:00Z',
        (r) => r.created_at >= '2026-10-23' && r.created_at < '2026-10-24T12',
      ],
      [
        'since=2026-10-23T02:00:00%2B02:00&state=settled&model=glm-5.2&funding=balance',
        (r) =>
          r.created_at >= '2026-10-23' && r.state === 'settled' && r.model === 'glm-5.2' && r.funding === 'balance',
      ],
    ]

    it('of a filter are the requests that meet it, and no other', async (t) => {
      const world = await createWorld(t, engine)
      const all = await readPages(world, 'limit=200')
      for (const [query, isMeant] of filters) {
        const found = await readPages(world, `limit=199&${query}`)
        assert.deepEqual(found, all.filter(isMeant), query)
        assert.equal(found.length > 0, !['tag=team', 'tag=NIGHTLY', 'model=x%25'].includes(query), query)
      }
    })

    it('begin and end at an instant to the millisecond, also for a request dated long after its id was made', async (t) => {
      const world = await createWorld(t, engine)
      const [, middle] = (await world.get<Page>('/api/requests?limit=2&until=2026-10-24')).data
      assert.ok(middle)
      const atMs = Date.parse(middle.created_at)
      const ids = async (query: string) => (await readPages(world, `limit=200&${query}`)).map(({ id }) => id)
      assert.ok((await ids(`since=${atMs}`)).includes(middle.id))
      assert.ok(!(await ids(`since=${atMs + 1}`)).includes(middle.id))
      assert.ok((await ids(`until=${atMs + 1}`)).includes(middle.id))
      assert.ok(!(await ids(`until=${atMs}`)).includes(middle.id))
      await world.db.run('UPDATE request SET created_at = created_at + 3000000 WHERE id = ?', middle.id)
      assert.ok((await ids(`since=${atMs + 3_000_000}&until=${atMs + 3_000_001}`)).includes(middle.id))
    })

    it('that hardly anything meets end before they have looked at everything, and go on from there', async (t) => {
      const { db } = await createWorld(t, engine)
      const filter = { ...allRequestsOf(MINE, null), session: 'ses_7', state: 'held' as const }
      const whole = await listRequestPage(db, filter, { limit: 200 })
      const bounds = { rowsPerStep: 20, rowsPerPage: 60 }
      const found: string[] = []
      let pages = 0
      let startId: string | undefined
      do {
        const page = await listRequestPage(db, filter, { limit: 200, startId }, bounds)
        found.push(...page.requests.map(({ id }) => id))
        startId = page.nextId ?? undefined
        pages++
      } while (startId !== undefined)
      assert.deepEqual(
        found,
        whole.requests.map(({ id }) => id),
      )
      assert.ok(pages >= 10, `${pages} pages`)
    })

    it('of steps of any size are the same', async (t) => {
      const { db } = await createWorld(t, engine)
      const filter = { ...allRequestsOf(MINE, null), model: 'minimax' }
      const ids = async (rowsPerStep: number): Promise<string[]> => {
        const page = await listRequestPage(db, filter, { limit: 150 }, { rowsPerStep, rowsPerPage: 1e6 })
        return page.requests.map(({ id }) => id)
      }
      const whole = await ids(1e6)
      for (const rows of [1, 2, 149, 150, 151, 600]) assert.deepEqual(await ids(rows), whole, `${rows} rows`)
    })
  })

  describe('whose requests they are', () => {
    it('an admin sees the workspace, a member the own ones, a stranger neither', async (t) => {
      const world = await createWorld(t, engine)
      const [mine, own, other] = [
        await readPages(world, 'limit=200', 'admin'),
        await readPages(world, 'limit=200', 'member'),
        await readPages(world, 'limit=200', 'stranger'),
      ]
      assert.deepEqual(
        own,
        mine.filter(({ member }) => member === MEMBER.memberId),
      )
      assert.deepEqual([mine.length, other.length], [(await idsOf(world.db, MINE)).length, REQUESTS - mine.length])
      const shared = new Set(mine.map(({ id }) => id)).intersection(new Set(other.map(({ id }) => id)))
      assert.equal(shared.size, 0)
      assert.deepEqual(await readPages(world, 'member=mem_admin', 'member'), [])
      assert.deepEqual(await readPages(world, 'member=mem_admin', 'stranger'), [])
    })

    it("an admin's key without the scope to read sees what its own member did, and of one request no more", async (t) => {
      const world = await createWorld(t, engine)
      const all = await readPages(world, 'limit=200', 'admin')
      const own = all.filter(({ member }) => member === ADMIN.memberId)
      assert.ok(own.length > 0 && own.length < all.length)
      assert.deepEqual(await readPages(world, 'limit=200', 'agent'), own)
      for (const { id, member } of all.slice(0, 20)) {
        const { status } = await world.fetch(`/api/requests/${id}`, 'agent')
        assert.equal(status, member === ADMIN.memberId ? 200 : 404)
      }
    })

    it('one request is shown with how its charge came about, to those who may see it; to others there is none', async (t) => {
      const world = await createWorld(t, engine)
      const all = await readPages(world, 'limit=200')
      const random = randomFrom(5)
      for (const request of all.filter(() => random() < 0.2)) {
        const path = `/api/requests/${request.id}`
        const { explanation, ...shown } = await world.get<RequestView & { explanation: Explanation }>(path)
        assert.deepEqual(shown, request)
        assert.deepEqual([explanation.id, explanation.charged_nano], [request.id, request.charged_nano])
        assert.equal(explanation.verdict, request.state === 'held' ? null : 'OK')
        const isOwn = request.member === MEMBER.memberId
        assert.equal((await world.fetch(path, 'member')).status, isOwn ? 200 : 404)
        assert.equal((await world.fetch(path, 'stranger')).status, 404)
      }
      for (const id of ['req_unknown', 'x', '%00', "req_1'--"]) {
        assert.equal((await world.refusal(`/api/requests/${id}`)).status, 404, id)
      }
    })
  })

  describe('what is not understood', () => {
    const refused: readonly (readonly [string, string])[] = [
      ['limit=0', 'limit'],
      ['limit=201', 'limit'],
      ['limit=ten', 'limit'],
      ['cursor=abc', 'cursor'],
      ['cursor=MTp4eXo', 'cursor'],
      ['modle=x', 'modle'],
      ['model=a&model=b', 'model'],
      ['model=a%00b', 'model'],
      [`session=${'x'.repeat(600)}`, 'session'],
      ['since=yesterday', 'since'],
      ['since=2026-13-01', 'since'],
      ['since=2026-10-23T02:00:00', 'since'],
      ['until=99999999999999999', 'until'],
      ['state=open', 'state'],
      ['funding=gold', 'funding'],
      ['outcome=won', 'outcome'],
      ['tag=a b', 'tag'],
    ]

    it('is refused with the name of the parameter', async (t) => {
      const world = await createWorld(t, engine)
      for (const [query, name] of refused) {
        const { status, code, param } = await world.refusal(`/api/requests?${query}`)
        assert.deepEqual([status, code, param], [400, 'invalid_request', name], query)
      }
      assert.deepEqual(world.failures, [])
    })

    it('a key among the parameters is a credential, not a filter', async (t) => {
      const world = await createWorld(t, engine)
      const wellFormed = formatKey(Buffer.alloc(20, 7))
      const page = await world.get<Page>(`/api/requests?limit=1&key=${wellFormed}`)
      assert.equal(page.data.length, 1)
    })
  })
})
