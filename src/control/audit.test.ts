import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { parseUsd } from '../base/money.ts'
import { HOUR_MS } from '../base/time.ts'
import { NO_USAGE } from '../base/usage.ts'
import { AUDIT_RULES, type AuditRule, auditLedger } from './audit.ts'
import { grantCredit } from './credit.ts'
import { createTestInstance, endSample, holdSample, NOON_MS, type TestInstance } from './test-instance.ts'
import { PLANTED_BUGS } from './test-planted-bugs.ts'

const SMALL = { ...NO_USAGE, input: 123, cachedRead: 301, cacheWrite5m: 7, cacheWrite1h: 3, output: 211, reasoning: 50 }
/** Above the tier's threshold of 1,000 prompt tokens. */
const LARGE = { ...NO_USAGE, input: 999, cachedRead: 100_001, output: 5000 }

/** One request of each kind: every way to pay, every way to end, and some under way. */
function createBusyInstance(t: TestContext): TestInstance {
  const instance = createTestInstance(t)
  grantCredit(instance.db, { workspaceId: instance.setup.workspace.id, amount: parseUsd('2.5'), note: '' }, NOON_MS)
  const done = (id: string, funding: 'balance' | 'plan' | 'free', end = {}, more = {}) => {
    const sample = { id, funding, ...more }
    holdSample(instance, sample)
    endSample(instance, sample, end)
  }
  done('req_paid', 'balance', { usage: SMALL })
  done('req_tier', 'balance', { usage: LARGE })
  done('req_lost', 'balance', { usage: LARGE }, { hold: parseUsd('0.01') })
  done('req_failed', 'balance', { outcome: 'upstream_failed' })
  done('req_nothing', 'balance', { usage: NO_USAGE })
  done('req_plan', 'plan', { usage: SMALL })
  done('req_weighed', 'plan', { usage: LARGE }, { weightPpm: 1_500_001n })
  done('req_cut', 'plan', { outcome: 'operator_fault' }, { weightPpm: 4_000_000n })
  done('req_free', 'free', { usage: LARGE })
  holdSample(instance, { id: 'req_open', funding: 'balance', hold: parseUsd('0.7') })
  holdSample(instance, { id: 'req_open_plan', funding: 'plan', hold: parseUsd('0.3'), weightPpm: 500_000n })
  return instance
}

const audit = ({ db }: TestInstance, nowMs = NOON_MS + HOUR_MS) => auditLedger(db, { nowMs })

describe('audit', () => {
  it('finds nothing on sound books, and says how much it looked at', (t) => {
    const report = audit(createBusyInstance(t))
    assert.deepEqual(report.differences, [])
    assert.deepEqual(report.checked, {
      ...{ accounts: 4, transfers: 5, entries: 11, grants: 2, requests: 11, held: 2, windows: 3, request_windows: 12 },
      ...{ price_versions: 1, rules: AUDIT_RULES.length },
    })
  })

  for (const { bug, sql, rules, subject } of PLANTED_BUGS) {
    it(`notices that ${bug}`, (t) => {
      const instance = createBusyInstance(t)
      instance.db.exec('PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON')
      instance.db.exec(sql)
      const { differences } = audit(instance)
      assert.deepEqual(new Set(differences.map(({ rule }) => rule)), new Set(rules))
      const first = differences.find(({ rule }) => rule === rules[0])
      assert.ok(first?.subject.includes(subject), `the subject is ${first?.subject}`)
      assert.notEqual(first?.expected, first?.found)
    })
  }

  it('notices a hold older than two hours, and not a younger one', (t) => {
    const instance = createBusyInstance(t)
    assert.deepEqual(audit(instance, NOON_MS + 2 * HOUR_MS).differences, [])
    const stale = audit(instance, NOON_MS + 2 * HOUR_MS + 1).differences
    assert.deepEqual(
      stale.map(({ rule, subject }) => [rule, subject]),
      [
        ['stale_hold', 'req_open'],
        ['stale_hold', 'req_open_plan'],
      ],
    )
  })

  it('a complete answer of which nothing was reported or delivered may be released', (t) => {
    const instance = createBusyInstance(t)
    instance.db.exec("UPDATE request SET outcome = 'complete' WHERE id = 'req_failed'")
    assert.deepEqual(audit(instance).differences, [])
  })

  it('every rule has caught a planted bug', () => {
    const caught = new Set<AuditRule>(['stale_hold', ...PLANTED_BUGS.map(({ rules }) => rules[0] as AuditRule)])
    assert.deepEqual(
      AUDIT_RULES.filter((rule) => !caught.has(rule)),
      [],
    )
  })

  it('every rule is documented, and no other', () => {
    const page = readFileSync(new URL('../../docs/reference/audit.md', import.meta.url), 'utf8')
    const documented = [...page.matchAll(/^\| `(\w+)` \|/gm)].map((match) => match[1])
    assert.deepEqual(documented, AUDIT_RULES)
  })

  it('costs of billions of tokens are recomputed without overflow', (t) => {
    const instance = createTestInstance(t)
    const sample = { id: 'req_huge', funding: 'plan', hold: parseUsd(12) } as const
    holdSample(instance, sample)
    endSample(instance, sample, { usage: { ...NO_USAGE, input: 3_000_000_000_001, cachedRead: 2_000_000_000_003 } })
    assert.deepEqual(audit(instance).differences, [])
    assert.equal(
      instance.db.get<{ cost: bigint }>("SELECT cost FROM request WHERE id = 'req_huge'")?.cost,
      3_000_000_000_001n * 2800n + 2_000_000_000_003n * 520n,
    )
  })
})
