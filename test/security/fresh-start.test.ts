/** A fresh start has no credential that anybody could know: nothing is the same twice, and nothing usual opens it. */
import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { startInstance } from '../support/instance.ts'

const USUAL_KEYS = [
  'sk-zendo-test',
  'sk-1234',
  'sk-zendo-0000000000000000000000000000000000',
  'admin',
  'changeme',
  'null',
]
const USUAL_ACCOUNTS = ['admin@example.com', 'admin@zendo.local', 'root@localhost.localdomain', 'operator@example.com']
const USUAL_PASSWORDS = ['admin', 'password', 'changeme', 'zendo', '']

it('two fresh starts share no secret, and their secrets are for their owner alone', async () => {
  const instances = await Promise.all([startInstance({ config: {} }), startInstance({ config: {} })])
  try {
    const secretsOf = (dataDir: string): string => readFileSync(join(dataDir, 'secrets.json'), 'utf8')
    const [one, other] = instances
    assert.notEqual(one.apiKey, other.apiKey)
    assert.notEqual(secretsOf(one.dataDir), secretsOf(other.dataDir))
    for (const { dataDir } of instances) assert.equal(statSync(join(dataDir, 'secrets.json')).mode & 0o077, 0)
    const withOther = await fetch(`${one.baseUrl()}/zen/v1/usage`, {
      headers: { authorization: `Bearer ${other.apiKey}` },
    })
    assert.equal(withOther.status, 401)
  } finally {
    await Promise.all(instances.map((instance) => instance.remove()))
  }
})

it('no usual key and no usual account opens a fresh start', async () => {
  const instance = await startInstance({ config: {} })
  try {
    for (const key of USUAL_KEYS) {
      const { status } = await fetch(`${instance.baseUrl()}/zen/v1/usage`, {
        headers: { authorization: `Bearer ${key}` },
      })
      assert.equal(status, 401, key)
    }
    for (const email of USUAL_ACCOUNTS) {
      for (const password of USUAL_PASSWORDS) {
        const response = await fetch(`${instance.baseUrl()}/api/sign-in/password`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ email, password }),
        })
        assert.ok([400, 401, 429].includes(response.status), `${email} ${password}: ${response.status}`)
      }
    }
  } finally {
    await instance.remove()
  }
})
