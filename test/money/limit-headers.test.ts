/** What is left is told with every answer: the headers name the limit with the least room, and tell no more than is true. */
import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { DIALECTS, type Dialect } from '../support/dialect.ts'
import type { WatchedAnswer } from '../support/stream-client.ts'
import { addTenants } from '../support/tenants.ts'
import { planTightIn, type Scene, startScene } from './scene.ts'

let scene: Scene
before(async () => {
  const gratis = { free: true, products: ['zen'], routes: [{ provider: 'fault', model: 'm' }] }
  scene = await startScene({ models: { gratis } })
})
after(async () => {
  try {
    await scene.assertBalanced()
  } finally {
    await scene.close()
  }
})

const PREFIX = 'x-zendo-limit-'

function limitOf(answer: WatchedAnswer): Record<string, unknown> {
  const told = Object.entries(answer.headers()).filter(([name]) => name.startsWith(PREFIX))
  return Object.fromEntries(told.map(([name, value]) => [name.slice(PREFIX.length), value]))
}

it('of the balance: with what this request holds, streamed or not', async () => {
  const balance = { name: 'balance', kind: 'balance', scope: 'workspace', used: '0.50' }
  const asked = [
    { stream: true, told: { ...balance, limit: '5.00', remaining: '4.50', percent: '10' } },
    { stream: false, told: { ...balance, limit: '4.50', remaining: '4.00', percent: '11' } },
  ]
  for (const [index, { stream, told }] of asked.entries()) {
    const answer = scene.ask(DIALECTS[index] as Dialect, { tag: 'balance', stream })
    await answer.over
    assert.deepEqual(limitOf(answer), told)
  }
})

it('of a plan: its fullest window, and when that resets', async () => {
  const [tenant] = addTenants(scene.place, 1, { planId: planTightIn('weekly') })
  const ask = async (): Promise<WatchedAnswer> => {
    const answer = scene.ask(DIALECTS[0] as Dialect, { tag: 'plan', product: 'go', key: tenant?.key ?? '' })
    await answer.over
    return answer
  }
  for (const [used, remaining, percent] of [
    ['0.50', '4.50', '10'],
    ['1.00', '4.00', '20'],
  ]) {
    const { 'resets-at': resetsAt, ...told } = limitOf(await ask())
    assert.deepEqual(told, { name: 'weekly', kind: 'calendar', scope: 'seat', limit: '5.00', used, remaining, percent })
    const [window] = scene.books.all<{ ends_at: bigint }>(
      "SELECT ends_at FROM meter WHERE subject_id = ? AND name = 'weekly'",
      tenant?.seatId ?? '',
    )
    assert.equal(Date.parse(String(resetsAt)), Number(window?.ends_at))
  }
})

it('of nothing, where nothing limits', async () => {
  const answer = scene.ask(DIALECTS[0] as Dialect, { tag: 'nothing', model: 'gratis' })
  await answer.over
  assert.equal(answer.headers()['x-zendo-funding'], 'free')
  assert.deepEqual(limitOf(answer), {})
})
