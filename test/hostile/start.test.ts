/** Starts that cannot go well: each says why, harms nothing, and the next good start is as good as the first. */
import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { CHAT } from '../support/dialect.ts'
import { type Instance, prepareInstance, startInstance } from '../support/instance.ts'
import { watch } from '../support/stream-client.ts'
import { until, within } from '../support/until.ts'

/** As long as a good start may take. */
const START_LIMIT_MS = 30_000
const KEY = /sk-zendo-[0-9A-Za-z]{34}/g

/** Starts, and expects that to fail with an exit code of 1 and a sentence. */
async function assertStartFails(instance: Instance, says: RegExp): Promise<void> {
  const before = instance.output().length
  instance.startWithoutWaiting()
  assert.equal(await within('the process gives up', instance.exited(), START_LIMIT_MS), 1)
  const printed = instance.output().slice(before)
  assert.match(printed, says)
  assert.match(printed, /^Zendo cannot start: /m)
  assert.doesNotMatch(printed, /\n\s+at /, 'a stack trace is no explanation')
}

async function assertAnswers(instance: Instance, key: string): Promise<void> {
  const body = CHAT.request({ model: 'sim/echo', stream: false, maxTokens: 10, tag: 'x' })
  const answer = watch(`${instance.baseUrl()}/zen/v1/chat/completions`, body, { key })
  await within('the answer', answer.over, 5000)
  assert.equal(answer.status(), 200, answer.text())
}

async function withInstance(config: object, play: (instance: Instance) => Promise<void>, env = {}): Promise<void> {
  const instance = await prepareInstance({ config, env })
  try {
    await play(instance)
  } finally {
    await instance.remove()
  }
}

describe('a start that cannot go well', { concurrency: 4 }, () => {
  it('first with a bad configuration: once that is mended, the key is shown after all', async () => {
    await withInstance({ providers: { acme: { protocol: 'nonsense' } } }, async (instance) => {
      await assertStartFails(instance, /zendo\.jsonc/)
      await instance.writeConfig({})
      await instance.start()
      const [key] = await printedKeys(instance)
      await assertAnswers(instance, key ?? '')
    })
  })

  it('first on a taken port: once that is free, the key is shown after all', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const port = String((taken.address() as AddressInfo).port)
    await withInstance(
      {},
      async (instance) => {
        await assertStartFails(instance, /in use/)
        await new Promise((resolve) => taken.close(resolve))
        await instance.start()
        const [key] = await printedKeys(instance)
        await assertAnswers(instance, key ?? '')
      },
      { ZENDO_PORT: port },
    )
  })

  it('beside a running server on the same directory: it refuses, and what runs is not disturbed', async () => {
    const first = await startInstance({ config: {} })
    try {
      const body = CHAT.request({ model: 'sim/slow-first-token', stream: true, maxTokens: 10, tag: 'x' })
      const answer = watch(`${first.baseUrl()}/zen/v1/chat/completions`, body, { key: first.apiKey })
      await withInstance(
        {},
        async (second) => {
          await assertStartFails(second, new RegExp(first.dataDir))
        },
        { ZENDO_DATA_DIR: first.dataDir },
      )
      assert.equal(await within('the answer', answer.over, 10_000), 'whole')
      assert.match(answer.text(), /\[DONE\]/)
      await assertAnswers(first, first.apiKey)
    } finally {
      await first.remove()
    }
  })

  it('on damaged data it refuses, and changes nothing', async () => {
    await withInstance({}, async (instance) => {
      await instance.start()
      const [key] = await printedKeys(instance)
      await instance.kill()
      await writeFile(join(instance.dataDir, 'secrets.json'), '{"addressSalt":"short"}')
      await assertStartFails(instance, /secrets\.json/)
      await rm(join(instance.dataDir, 'secrets.json'))
      await instance.start()
      await assertAnswers(instance, key ?? '')
      await instance.kill()
      for (const name of ['zendo.db-wal', 'zendo.db-shm']) await rm(join(instance.dataDir, name), { force: true })
      await writeFile(join(instance.dataDir, 'zendo.db'), 'this is not a database, but it is long enough'.repeat(100))
      await assertStartFails(instance, /zendo\.db/)
    })
  })

  it('on a directory that cannot be one', async () => {
    await withInstance({}, async (instance) => {
      const file = join(instance.dataDir, 'file')
      await writeFile(file, '')
      await withInstance({}, (other) => assertStartFails(other, /file/), { ZENDO_DATA_DIR: join(file, 'data') })
    })
  })

  for (const [name, value] of [
    ['ZENDO_PORT', '70000'],
    ['ZENDO_PORT', 'http'],
    ['ZENDO_SHUTDOWN_MS', '-1'],
    ['ZENDO_LOG_LEVEL', 'loud'],
    ['ZENDO_PUBLIC_URL', 'nowhere'],
  ] as const) {
    it(`with ${name}=${value}`, async () => {
      await withInstance({}, (instance) => assertStartFails(instance, new RegExp(name)), { [name]: value })
    })
  }
})

/** Each start that shows a key shows it in one go; the first is what counts. */
async function printedKeys(instance: Instance): Promise<string[]> {
  await until('the welcome is printed', () => instance.output().includes('npx zendo models'), 1000).catch(() => {})
  const keys = [...new Set(instance.output().match(KEY) ?? [])]
  assert.equal(keys.length, 1, `one key is shown, not: ${instance.output()}`)
  return keys
}
