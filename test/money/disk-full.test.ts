/** The disk takes no more: nothing is sent that is not held, nothing ends that is not booked, and space brings it back. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { it } from 'node:test'
import { DIALECTS, STREAM_HEAD } from '../support/dialect.ts'
import { until, within } from '../support/until.ts'
import { createGate, dialectOf, requestIdOf, type Scene, startScene } from './scene.ts'

/** The process may write no byte of a file any more, as if its disk were full; or may again. */
function setFileLimit(scene: Scene, limit: '0' | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(scene.instance.pid()), `--fsize=${limit}:unlimited`])
}

it('a full disk refuses new requests, breaks off those under way, charges neither, and needs no restart afterwards', async () => {
  const scene = await startScene()
  try {
    const gate = createGate()
    scene.upstream.on('full', async (call) => {
      const dialect = dialectOf(call)
      await call.write(STREAM_HEAD + dialect.opening(5) + dialect.delta('half '))
      await gate.opened
      await call.write(dialect.delta('whole') + dialect.closing({ input: 5, output: 5 }) + dialect.terminal)
      call.end()
    })
    const underWay = DIALECTS.map((dialect) => ({
      dialect,
      answer: scene.ask(dialect, { tag: 'full', model: 'priced' }),
    }))
    for (const { answer } of underWay) await answer.saw('half ')
    setFileLimit(scene, '0')
    gate.open()
    for (const dialect of DIALECTS) {
      const refused = scene.ask(dialect, { tag: 'refused', model: 'priced' })
      await within('it is refused', refused.over, 1000)
      assert.equal(refused.status(), 503)
      assert.match(refused.text(), /"storage_unavailable"/)
    }
    assert.equal(scene.upstream.callsOf('refused').length, 0)
    for (const { dialect, answer } of underWay) {
      await within('it is given up', answer.over, 5000)
      assert.ok(!answer.text().includes(dialect.terminalMark), 'an end that is not booked')
      assert.ok(answer.text().includes(dialect.errorMark))
    }
    setFileLimit(scene, 'unlimited')
    for (const dialect of DIALECTS) {
      const next = scene.ask(dialect, { tag: 'next', model: 'priced' })
      await within('it is answered', next.over, 2000)
      assert.equal(scene.books.find(requestIdOf(next))?.state, 'settled')
    }
    await until('the holds of what was given up are resolved', () => scene.books.openHolds() === 0, 3000)
    for (const { answer } of underWay) assert.equal(scene.books.find(requestIdOf(answer))?.charged, 0n)
    await scene.assertBalanced()
  } finally {
    await scene.close()
  }
})
