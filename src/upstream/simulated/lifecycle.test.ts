/** Starting and stopping: loopback only, and nothing that keeps the process alive stays behind. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { startSimulatedProvider } from './server.ts'
import { exchange } from './test-client.ts'

test('the provider listens on loopback only, on a free port unless told', async () => {
  for (const host of ['0.0.0.0', '::', '192.0.2.1', 'example.com', '127.0.0.1.example.com']) {
    await assert.rejects(startSimulatedProvider({ now: Date.now, host }), RangeError)
  }
  const provider = await startSimulatedProvider({ now: Date.now })
  assert.match(provider.baseUrl, /^http:\/\/127\.0\.0\.1:\d+\/v1$/)
  const port = Number(new URL(provider.baseUrl).port)
  await assert.rejects(startSimulatedProvider({ now: Date.now, port }), { code: 'EADDRINUSE' })
  await provider.close()
  await assert.rejects(exchange(`${provider.baseUrl}/models`), { code: 'ECONNREFUSED' })
})

const PROGRAM = `
  const { startSimulatedProvider } = await import(${JSON.stringify(new URL('./server.ts', import.meta.url).href)})
  const { open } = await import(${JSON.stringify(new URL('./test-client.ts', import.meta.url).href)})
  const provider = await startSimulatedProvider({ now: Date.now, firstTokenDelayMs: 600_000 })
  for (const model of ['stall', 'slow-first-token', 'long', 'stall', 'slow-first-token']) {
    const messages = [{ role: 'user', content: 'one two three' }]
    const response = await open(provider.baseUrl + '/chat/completions', { model, stream: true, messages })
    if (process.argv[1] === 'client') response.destroy()
    else response.on('error', () => {})
  }
  await provider.close()
  console.log('closed')
`

for (const first of ['client', 'provider']) {
  test(`the process exits by itself when the ${first} leaves first`, async () => {
    const program = ['--input-type=module', '--eval', PROGRAM, first]
    const { stdout } = await promisify(execFile)(process.execPath, program, { timeout: 20_000 })
    assert.equal(stdout, 'closed\n')
  })
}
