/** What cannot be a key costs no query, and no two keys are ever taken for one another. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it, type TestContext } from 'node:test'
import { allRoutes } from '../../src/api/all-routes.ts'
import { formatKey, hashKey } from '../../src/domain/api-key.ts'
import { createKeyCache } from '../../src/gateway/key-cache.ts'
import type { Database } from '../../src/store/database.ts'
import { startControlServer } from '../support/control-server.ts'
import { forEachEngine } from '../support/engines.ts'

/** The database, and how often it was asked for anything. */
function counting(database: Database): { readonly counted: Database; queries(): number } {
  let queries = 0
  const counted = new Proxy(database, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      return (...args: unknown[]) => {
        queries++
        return (member as (...args: unknown[]) => unknown).apply(target, args)
      }
    },
  })
  return { counted, queries: () => queries }
}

/** Texts that are nearly the key. */
function spoiled(key: string): string[] {
  const swapped = (at: number): string => key.slice(0, at) + (key[at] === 'a' ? 'b' : 'a') + key.slice(at + 1)
  return [
    ...Array.from({ length: key.length }, (_, at) => key.slice(0, at)),
    ...Array.from({ length: key.length - 9 }, (_, at) => swapped(at + 9)),
    key.toLowerCase(),
    key.toUpperCase(),
    `${key}a`,
    ` ${key}`,
    `${key}\u0000`,
    key.replace('sk-zendo-', 'sk-zendo_'),
    key.replace('sk-zendo-', 'sk-'),
    key.replace('sk-zendo-', 'sk-ant-'),
    // Full-width letters and digits, which compatibility forms would make equal.
    key.replace(/[0-9A-Za-z]/g, (letter) => String.fromCodePoint(letter.charCodeAt(0) + 0xfee0)),
    key.replace('o', 'о'),
    `${key.slice(0, 20)}\u200b${key.slice(20)}`,
    `${key.slice(0, 20)}' OR '1'='1`,
  ].filter((text) => text !== key)
}

async function addKeys(t: TestContext, database: Database, keys: readonly string[]): Promise<void> {
  const { workspaceId } = await startControlServer(t, database, { routes: allRoutes })
  await database.write(async (sql) => {
    await sql.runEach("INSERT INTO member (id, workspace_id, name, role, created_at) VALUES (?, ?, 'm', 'member', 0)", [
      ['mem_crafted', workspaceId],
    ])
    await sql.runEach(
      'INSERT INTO api_key (id, workspace_id, member_id, name, hash, preview, created_at) VALUES (?, ?, ?, ?, ?, ?, 0)',
      keys.map((key, n) => [`key_${n}`, workspaceId, 'mem_crafted', 'k', hashKey(key), '']),
    )
  })
}

forEachEngine((engine) => {
  describe('a text that cannot be a key', () => {
    it('is refused without a query: a wrong checksum, a part of one, another prefix, letters that only look alike', async (t) => {
      const database = await engine.openDatabase(t)
      const key = formatKey(randomBytes(20))
      await addKeys(t, database, [key])
      const { counted, queries } = counting(database)
      const cache = createKeyCache(counted)
      for (const text of spoiled(key)) assert.equal(await cache.find(text), undefined, JSON.stringify(text))
      assert.equal(queries(), 0)
      // What can be one is looked up, and found once.
      assert.equal(await cache.find(formatKey(randomBytes(20))), undefined)
      assert.ok(queries() > 0)
      assert.equal((await cache.find(key))?.keyId, 'key_0')
    })

    it('is refused over HTTP the same, without a query', async (t) => {
      const database = await engine.openDatabase(t)
      const { counted, queries } = counting(database)
      const { url, workspaceId, firstKey } = await startControlServer(t, counted, { routes: allRoutes })
      const before = queries()
      const texts = spoiled(firstKey).filter((text) => /^[\x21-\x7e]+$/.test(text) && text.length > 8)
      for (const text of texts) {
        const path = `${url}/api/workspaces/${workspaceId}/keys`
        const response = await fetch(path, { headers: { authorization: `Bearer ${text}` } })
        assert.ok([401, 429].includes(response.status), `${response.status} ${text}`)
        await response.arrayBuffer()
      }
      assert.ok(texts.length > 40)
      assert.equal(queries() - before, 0)
    })
  })

  describe('10,000 keys that begin alike', () => {
    it('are each their own, whether they are looked up or remembered', async (t) => {
      const database = await engine.openDatabase(t)
      const head = randomBytes(16)
      const keys = Array.from({ length: 10_000 }, (_, n) => {
        const bytes = Buffer.concat([head, Buffer.alloc(4)])
        bytes.writeUInt32BE(n, 16)
        return formatKey(bytes)
      })
      const [first = ''] = keys
      assert.ok(keys.every((key) => key.slice(0, 20) === first.slice(0, 20)))
      assert.equal(new Set(keys).size, keys.length)
      await addKeys(t, database, keys)
      const cache = createKeyCache(database)
      for (const _ of ['looked up', 'remembered']) {
        for (const [n, key] of keys.entries()) assert.equal((await cache.find(key))?.keyId, `key_${n}`)
      }
    })
  })
})
