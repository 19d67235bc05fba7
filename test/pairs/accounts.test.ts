/** A conversation stays with the account whose reasoning it holds; when that account is gone, it goes on without it. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { strictResponses } from '../support/strict/responses.ts'
import { type StrictServer, startStrictServer } from '../support/strict/server.ts'
import { UPSTREAM_SECRET } from '../support/strict/turn.ts'
import { CLIENTS, modelEntry, warningsOf } from './world.ts'

const TURNS = 20
const TOOLS = [{ name: 'step', description: 'Goes a step.', parameters: { type: 'object', properties: {} } }]

let servers: StrictServer[]
let gateway: Gateway
beforeEach(async () => {
  servers = [
    await startStrictServer(strictResponses(), { secret: 'one' }),
    await startStrictServer(strictResponses(), { secret: 'two' }),
  ]
  const providers = servers.map(({ baseUrl }, i) => [
    `account${i}`,
    { protocol: 'openai-responses', baseUrl, apiKey: `${UPSTREAM_SECRET}${i}` },
  ])
  const names = providers.map(([name]) => String(name))
  gateway = await startGateway({
    config: { providers: Object.fromEntries(providers), models: { shared: modelEntry('openai-responses', names) } },
  })
})
afterEach(async () => {
  await gateway.remove()
  for (const server of servers) await server.close()
})

let serial = 0
/** Turns that both accounts have ready, whichever is asked. */
function play(count: number): void {
  for (const server of servers) {
    const turns = Array.from({ length: count }, () => ({
      reasoning: 'One more step.',
      calls: [{ id: `call_step${serial++}`, name: 'step', arguments: {} }],
    }))
    server.play(...turns, { reasoning: 'Done.', text: 'Arrived.' }, { text: 'Still here.' })
  }
}

for (const client of CLIENTS) {
  for (const named of [true, false]) {
    describe(`${client.protocol}, ${named ? 'in a named session' : 'without a session'}`, () => {
      const open = (stream: boolean, returns: 'all' | 'bare' = 'all') =>
        client.open({
          product: `${gateway.baseUrl}/zen`,
          key: gateway.apiKey,
          model: 'shared',
          stream,
          returns,
          tools: TOOLS,
          reasons: true,
          ...(named && { headers: { 'x-zendo-session': `walk-${serial}` } }),
        })

      test('twenty turns never cross to the other account', async () => {
        play(TURNS - 1)
        // The streaming helper of Responses adds members of its own, which are no part of what is relayed.
        const session = open(client.protocol !== 'openai-responses')
        let answer = await session.say('Walk there.')
        for (let i = 1; i < TURNS; i++) {
          answer = await session.give(answer.calls.map((call) => ({ call, text: 'Went.' })))
        }
        assert.equal(answer.text, 'Arrived.')
        assert.deepEqual(servers.map(({ requests }) => requests.length).sort(), [0, TURNS])
        assert.deepEqual(
          servers.flatMap(({ breaches }) => breaches),
          [],
        )
        const last = servers.flatMap(({ requests }) => requests.slice(TURNS - 1))[0]
        assert.equal(JSON.stringify(last?.body).match(/"encrypted_content":"/g)?.length, TURNS - 1)
      })

      test('when its account is gone, the next turn succeeds without the reasoning, and says so', async () => {
        play(2)
        const session = open(false)
        const first = await session.say('Walk there.')
        const second = await session.give(first.calls.map((call) => ({ call, text: 'Went.' })))
        const gone = servers.find(({ requests }) => requests.length > 0) as StrictServer
        const other = servers.find((server) => server !== gone) as StrictServer
        await gone.close()
        const last = await session.give(second.calls.map((call) => ({ call, text: 'Went.' })))
        assert.equal(last.calls.length + last.text.length > 0, true)
        assert.deepEqual(other.breaches, [])
        assert.notEqual(warningsOf(last), '')
        assert.doesNotMatch(JSON.stringify(other.requests.at(-1)?.body), /"encrypted_content"/)
      })
    })
  }
}
