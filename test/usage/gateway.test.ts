/** The reports of a gateway that has really served: rows, sums, ledger, export and the offline script agree. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, describe, it } from 'node:test'
import type { RequestView } from '../../src/control/request-view.ts'
import type { Explanation } from '../../src/control/usage-explain.ts'
import type { UsageTotals } from '../../src/control/usage-total.ts'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { addTenants } from '../support/tenants.ts'
import { type RecomputedTotals, recompute } from './recompute.ts'
import type { Page } from './world.ts'

const MODEL = {
  ...{ name: 'Priced', products: ['zen', 'go'], protocol: 'openai-chat', context: 100_000, maxOutput: 1000 },
  price: { input: 1.399999999, output: 4.4, cachedRead: 0.26 },
  weight: { go: 0.333333 },
}

describe('the reports of a gateway', () => {
  let gateway: Gateway
  let memberKey: string
  before(async () => {
    gateway = await startGateway({
      config: {
        models: {
          priced: { ...MODEL, routes: [{ provider: 'sim', model: 'echo' }] },
          failing: { ...MODEL, routes: [{ provider: 'sim', model: 'error-500' }] },
          cut: { ...MODEL, routes: [{ provider: 'sim', model: 'cut' }] },
          'usage-less': { ...MODEL, routes: [{ provider: 'sim', model: 'no-usage' }] },
        },
      },
    })
    memberKey = addTenants(gateway.dataDir, 1, { planId: 'go' })[0]?.key ?? ''
    await serveSome()
  })
  after(() => gateway.remove())

  function ask(product: string, key: string, model: string, stream: boolean, tags: string): Promise<Response> {
    return fetch(`${gateway.baseUrl}/zen${product}/v1/chat/completions`, {
      method: 'POST',
      headers: {
        ...{ authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        ...{ 'x-zendo-tags': tags, 'x-zendo-session': `of-${model}` },
      },
      body: JSON.stringify({
        model,
        stream,
        max_tokens: 200,
        messages: [{ role: 'user', content: 'one two three four' }],
      }),
    })
  }

  async function serveSome(): Promise<void> {
    for (const [product, key] of [
      ['', gateway.apiKey],
      ['/go', gateway.apiKey],
      ['', memberKey],
      ['/go', memberKey],
    ] as const) {
      for (const model of ['priced', 'failing', 'cut', 'usage-less']) {
        for (const stream of [true, false]) {
          const response = await ask(product, key, model, stream, `run=${stream},${model}`)
          await response.text().catch(() => '')
          assert.ok([200, 503].includes(response.status), `${model}: ${response.status}`)
        }
      }
    }
  }

  async function get<Answer>(path: string, key = gateway.apiKey): Promise<Answer> {
    const response = await fetch(gateway.baseUrl + path, { headers: { authorization: `Bearer ${key}` } })
    const text = await response.text()
    assert.equal(response.status, 200, text)
    return JSON.parse(text) as Answer
  }

  it('have each request with tags and session, and each charge explained and OK', async () => {
    const { data } = await get<Page>('/api/requests?limit=200')
    assert.equal(data.length, 32)
    for (const request of data) {
      assert.notEqual(request.state, 'held')
      assert.deepEqual(request.tags.length, 2)
      assert.equal(request.session, `of-${request.model}`)
      const { explanation } = await get<RequestView & { explanation: Explanation }>(`/api/requests/${request.id}`)
      assert.equal(explanation.verdict, 'OK', JSON.stringify(explanation.checks))
      const lots = explanation.entries.filter(({ lot }) => lot !== null)
      assert.equal(lots.length > 0, request.funding === 'balance' && request.charged_nano !== '0')
    }
    assert.ok(data.some(({ estimated }) => estimated) && data.some(({ state }) => state === 'released'))
    assert.deepEqual(
      (await get<Page>('/api/requests?tag=run=true')).data.map(({ stream }) => stream),
      Array(16).fill(true),
    )
    assert.equal((await get<Page>('/api/requests?limit=200', memberKey)).data.length, 16)
  })

  it('add up to what the ledger and the windows have', async () => {
    const totals = await get<UsageTotals>('/api/usage?by=tag:run,model,funding')
    const left = await get<{ balance: { posted_nano: string } }>('/zen/v1/usage')
    // Five dollars came with the first start.
    assert.equal(left.balance.posted_nano, String(5_000_000_000n - BigInt(totals.total.balance_nano)))
    const { total } = await get<UsageTotals>('/api/usage?by=hour&zone=Asia/Kathmandu')
    assert.deepEqual(total, totals.total)
    assert.ok(BigInt(total.plan_nano) > 0n && BigInt(total.counted_nano) < BigInt(total.plan_nano))
    const counted = (await gateway.cli('usage')) as { seats: { windows: { name: string; settled_nano: string }[] }[] }
    const weekly = counted.seats.flatMap(({ windows }) => windows.filter(({ name }) => name === 'weekly'))
    const settled = weekly.reduce((sum, { settled_nano }) => sum + BigInt(settled_nano), 0n)
    assert.equal(String(settled), total.counted_nano)
  })

  it('are the same from the command line, and computed again offline agree to the nano-dollar', async () => {
    const printed = await exportByCommand(gateway)
    const response = await fetch(`${gateway.baseUrl}/api/export`, {
      headers: { authorization: `Bearer ${gateway.apiKey}` },
    })
    const streamed = await response.text()
    const requestsOf = (text: string): string[] =>
      text.split('\n').filter((line) => line.startsWith('{"type":"request"'))
    assert.deepEqual(requestsOf(printed), requestsOf(streamed))
    const { exitCode, stdout, stderr } = await recompute(printed, undefined, '--json')
    assert.equal(exitCode, 0, stdout + stderr)
    const totals = JSON.parse(stdout) as RecomputedTotals
    const { total } = await get<UsageTotals>('/api/usage')
    assert.deepEqual(totals.charged_nano, { balance: total.balance_nano, plan: total.plan_nano })
    const byCommand = (await gateway.cli('usage', '--by', 'day,model', '--zone', 'Europe/Berlin')) as UsageTotals
    assert.deepEqual(byCommand.total, total)
  })

  it('name the charge policy in force, without a key', async () => {
    const response = await fetch(`${gateway.baseUrl}/api/charge-policy`)
    const policy = (await response.json()) as { version: number; outcomes: { outcome: string }[]; terms: string[] }
    const { data } = await get<Page>('/api/requests?limit=1')
    assert.equal(policy.version, data[0]?.policy_version)
    assert.ok(policy.outcomes.some(({ outcome }) => outcome === data[0]?.outcome) && policy.terms.length > 5)
  })

  it('are for keys alone', async () => {
    for (const path of ['/api/requests', '/api/requests/req_1', '/api/usage', '/api/export']) {
      assert.equal((await fetch(gateway.baseUrl + path)).status, 401, path)
      assert.equal(
        (await fetch(gateway.baseUrl + path, { headers: { authorization: 'Bearer public' } })).status,
        401,
        path,
      )
    }
  })
})

/** What `zendo usage export` prints, which is no JSON document. */
function exportByCommand({ dataDir }: Gateway): Promise<string> {
  const launcher = new URL('../../bin/zendo.js', import.meta.url).pathname
  const args = [launcher, 'usage', 'export', '--data-dir', dataDir]
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { maxBuffer: 1 << 28 }, (error, stdout) =>
      error ? reject(error) : resolve(stdout),
    )
  })
}
