/** While an upstream thinks, clients get signs of life that their libraries take; what fails then is said in-band. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import type { Protocol } from '../../src/base/words.ts'
import { type WatchedAnswer, watch } from '../support/stream-client.ts'
import { until } from '../support/until.ts'
import { rawRequest } from './raw-request.ts'
import { modelOf, PAIRS, type Pair, startWorld, type World } from './world.ts'

const TEXT = 'In through the nose, and out again.'

/** A promise that the test settles. */
function gate(after: number): { gate: { after: number; open: Promise<void> }; open: () => void } {
  let open = (): void => {}
  const promise = new Promise<void>((resolve) => {
    open = resolve
  })
  return { gate: { after, open: promise }, open: () => open() }
}

function watchPair(world: World, pair: Pair): WatchedAnswer {
  const { path, body } = rawRequest(pair.client.protocol, modelOf(pair.upstream))
  const headers = { 'anthropic-version': '2023-06-01' }
  return watch(`${world.gateway.baseUrl}/zen${path}`, body, { key: world.gateway.apiKey, headers })
}

/** Signs of life so far, provided that there is nothing else. */
function signsIn(protocol: Protocol, text: string): number {
  const form = protocol === 'anthropic-messages' ? /event: ping\ndata: .*"ping".*\n\n/g : /\n/g
  assert.equal(text.replace(form, ''), '')
  return text.match(form)?.length ?? 0
}

const TERMINALS: Readonly<Record<Protocol, RegExp>> = {
  'openai-chat': /data: \[DONE\]\n\n$/,
  'openai-responses': /event: response\.completed\n/,
  'anthropic-messages': /event: message_stop\n/,
  'google-generate': /"finishReason":\s*"STOP"/,
}

const ERRORS: Readonly<Record<Protocol, RegExp>> = {
  'openai-chat': /data: \{"error":\{/,
  'openai-responses': /event: error\n[\s\S]*event: response\.failed\n/,
  'anthropic-messages': /event: error\n/,
  'google-generate': /data: \{"error":\{/,
}

describe('with signs of life', () => {
  let world: World
  before(async () => {
    world = await startWorld({ config: { server: { keepAliveSeconds: 0.1 } } })
  })
  after(() => world.close())
  afterEach(() => world.expectSound())

  for (const pair of PAIRS) {
    const { protocol } = pair.client

    test(`${pair.name}: they come before the first event and change nothing`, async () => {
      const held = gate(0)
      world.upstream(pair.upstream).play({ text: TEXT, gate: held.gate })
      const answer = watchPair(world, pair)
      await until('two signs of life', () => signsIn(protocol, answer.text()) >= 2)
      assert.equal(answer.status(), 200)
      held.open()
      assert.equal(await answer.over, 'whole')
      assert.match(answer.text(), TERMINALS[protocol])
    })

    test(`${pair.name}: the library takes them, before the first event and between two`, async () => {
      for (const after of [0, 3]) {
        const held = gate(after)
        world.upstream(pair.upstream).play({ text: TEXT, gate: held.gate })
        const asked = world.open(pair).say('How?')
        await Promise.race([asked, wait(400)])
        held.open()
        assert.equal((await asked).text, TEXT)
      }
    })

    test(`${pair.name}: an error after them is told in-band`, async () => {
      const held = gate(0)
      world.upstream(pair.upstream).play({ fault: { type: 'refused', status: 500 }, gate: held.gate })
      const answer = watchPair(world, pair)
      await until('a sign of life', () => signsIn(protocol, answer.text()) >= 1)
      held.open()
      const end = await answer.over
      assert.equal(answer.status(), 200)
      assert.match(answer.text(), ERRORS[protocol])
      assert.doesNotMatch(answer.text(), TERMINALS[protocol])
      // The one signal that all of Google's clients understand.
      assert.equal(end, protocol === 'google-generate' ? 'cut' : 'whole')
    })

    test(`${pair.name}: the library throws what is told in-band`, async () => {
      const held = gate(0)
      world.upstream(pair.upstream).play({ fault: { type: 'refused', status: 500 }, gate: held.gate })
      const asked = world.open(pair).say('How?')
      setTimeout(held.open, 300)
      const error = await asked.then(
        () => null,
        (cause: unknown) => pair.client.read(cause),
      )
      assert.ok(error)
    })
  }
})

describe('without signs of life', () => {
  let world: World
  before(async () => {
    world = await startWorld({ config: { server: { keepAliveSeconds: 0 } } })
  })
  after(() => world.close())
  afterEach(() => world.expectSound())

  for (const pair of PAIRS) {
    test(`${pair.name}: nothing is sent before the upstream answers, and its status is kept`, async () => {
      const held = gate(0)
      world
        .upstream(pair.upstream)
        .play({ fault: { type: 'refused', status: 429, retryAfterSeconds: 1 }, gate: held.gate })
      const answer = watchPair(world, pair)
      await wait(250)
      assert.equal(answer.status(), null)
      held.open()
      assert.equal(await answer.over, 'whole')
      assert.equal(answer.status(), 429)
    })
  }
})
