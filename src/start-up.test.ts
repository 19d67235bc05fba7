import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'

/** What most instances never use, and each of which takes megabytes. */
const LATE = /^(?:import|export) (?!type ).*from '(?:openid-client|nodemailer|@simplewebauthn\/server)/m

it('what signs in elsewhere, checks passkeys and sends mail is loaded when it is first needed', () => {
  const files = globSync('**/*.ts', { cwd: import.meta.dirname })
  assert.ok(files.length > 100)
  const early = files.filter((file) => LATE.test(readFileSync(join(import.meta.dirname, file), 'utf8')))
  assert.deepEqual(early, [])
})
