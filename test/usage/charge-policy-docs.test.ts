/** `docs/reference/charge-policy.md` says, word for word, what the table says that decides. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { publishChargePolicy } from '../../src/domain/charge-policy.ts'

const PAGE = readFileSync(new URL('../../docs/reference/charge-policy.md', import.meta.url), 'utf8')
const { version, outcomes, terms } = publishChargePolicy()

describe('charge-policy.md', () => {
  it('names the version in force', () => {
    assert.match(PAGE, new RegExp(`^Version ${version}\\.`, 'm'))
  })

  it('has each outcome with when it is met, its rule and what that charges, and no other', () => {
    const rows = PAGE.split('\n').filter((line) => line.startsWith('| `'))
    const expected = outcomes.map(
      ({ outcome, when, rule, charge }) => `| \`${outcome}\` | ${when} | \`${rule}\` | ${charge} |`,
    )
    assert.deepEqual(rows, expected)
  })

  it('has each term, and no other', () => {
    const listed = PAGE.split('\n').filter((line) => line.startsWith('- '))
    assert.deepEqual(
      listed,
      terms.map((term) => `- ${term}`),
    )
  })
})
