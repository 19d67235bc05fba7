/** Keys of members who are removed, and of workspaces that are shut, in all processes of real gateways. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { startSession } from '../../src/control/sign-in/session.ts'
import { insertPersonMember } from '../../src/store/membership.ts'
import { insertPerson } from '../../src/store/person.ts'
import { forEachEngine } from '../support/engines.ts'
import { until } from '../support/until.ts'
import { type Gateways, type Spender, startGateways } from './gateways.ts'

/** Within which a change is effective everywhere. */
const LIMIT_MS = 1000
/** More connections than processes, so that each of them is asked. */
const CONNECTIONS = 16

/** Somebody who is signed in; `call` sends to the first gateway what a page of the console would. */
async function signIn({ db, instances }: Gateways, spender: Spender) {
  const nowMs = Date.now()
  const [personId, memberId] = [`per_${spender.memberId}`, `mem_a${spender.memberId}`]
  const { token } = await db.write(async (sql) => {
    const person = { id: personId, email: `${personId}@x.example`, name: 'olga', isOperator: true, password: null }
    await insertPerson(sql, person, nowMs)
    const { workspaceId } = spender
    await insertPersonMember(sql, { id: memberId, workspaceId, name: 'olga', role: 'admin', personId }, nowMs)
    return await startSession(sql, { personId, method: 'password' }, { nowMs, randomBytes })
  })
  const cookie = `zendo_session=${token}`
  const base = `${instances[0]?.baseUrl()}/api`
  const session = (await (await fetch(`${base}/session`, { headers: { cookie } })).json()) as { csrf: string }
  return async (method: string, path: string): Promise<number> => {
    const headers = { cookie, 'x-zendo-csrf': session.csrf }
    const { status } = await fetch(`${base}/workspaces/${spender.workspaceId}/${path}`, { method, headers })
    return status
  }
}

/** What each process answers to a key: a status and a code, without those that say the same. */
async function answersTo({ instances }: Gateways, key: string): Promise<string[]> {
  const asked = instances.flatMap((instance) =>
    Array.from({ length: CONNECTIONS }, async () => {
      const headers = { authorization: `Bearer ${key}`, connection: 'close' }
      const response = await fetch(`${instance.baseUrl()}/zen/v1/chat/completions`, {
        ...{ method: 'POST', headers: { ...headers, 'content-type': 'application/json' } },
        body: JSON.stringify({ model: 'exact', messages: [{ role: 'user', content: 'x' }], max_tokens: 5 }),
      })
      const body = (await response.json()) as { error?: { code?: string } }
      return `${response.status} ${body.error?.code ?? ''}`.trim()
    }),
  )
  return [...new Set(await Promise.all(asked))].sort()
}

describe('within a second, in every process,', () => {
  forEachEngine((engine) => {
    it('a removed member’s key is refused, and that of a workspace that was shut', { timeout: 120_000 }, async (t) => {
      const gateways = await startGateways(t, engine, 'three processes')
      const [removed, shut] = [await gateways.addSpender(10n ** 12n), await gateways.addSpender(10n ** 12n)]
      const asAdmin = await signIn(gateways, removed)
      const asOperator = await signIn(gateways, shut)
      for (const { key } of [removed, shut]) {
        await until('all processes know the key', async () => String(await answersTo(gateways, key)) === '200', 10_000)
      }
      assert.equal(await asAdmin('DELETE', `members/${removed.memberId}`), 204)
      await refusedSoon(() => answersTo(gateways, removed.key), '403 key_disabled')
      assert.equal(await asOperator('POST', 'block'), 201)
      await refusedSoon(() => answersTo(gateways, shut.key), '403 workspace_blocked')
      assert.equal(await asOperator('POST', 'unblock'), 201)
      await refusedSoon(() => answersTo(gateways, shut.key), '200')
    })
  })
})

/** What is asked after the limit is answered alike by all; asking itself takes a while on a busy machine. */
async function refusedSoon(answers: () => Promise<string[]>, expected: string): Promise<void> {
  const startedAt = performance.now()
  await until('a second has passed', () => performance.now() - startedAt >= LIMIT_MS)
  assert.deepEqual(await answers(), [expected])
}
