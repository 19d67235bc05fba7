import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { parseUsd } from '../base/money.ts'
import { HOUR_MS } from '../base/time.ts'
import { NO_USAGE } from '../base/usage.ts'
import { AUDIT_RULES, type AuditRule, auditLedger } from './audit.ts'
import { grantCredit } from './credit.ts'
import { createTestInstance, endSample, holdSample, NOON_MS, PRICE, type TestInstance } from './test-instance.ts'

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

/** What a planted bug does to the database, and the rules that must notice; others must stay silent. */
interface Planted {
  readonly bug: string
  readonly sql: string
  readonly rules: readonly AuditRule[]
  /** Stands in the subject of the first rule's difference. */
  readonly subject: string
}

const SESSION = "SELECT id FROM plan_window WHERE name = '5 hour'"

const PLANTED: readonly Planted[] = [
  {
    bug: 'an entry was changed',
    sql: "UPDATE entry SET amount = amount + 1 WHERE transfer_id = 's:req_paid' AND account_id = 'usage_revenue'",
    rules: ['transfer_sum', 'account_posted', 'settlement_transfer'],
    subject: 's:req_paid',
  },
  {
    bug: 'both legs of a charge were changed alike',
    sql: "UPDATE entry SET amount = amount * 2 WHERE transfer_id = 's:req_paid'",
    rules: ['settlement_transfer', 'account_posted'],
    subject: 's:req_paid on acc_',
  },
  {
    bug: 'a transfer lost its entries',
    sql: "DELETE FROM entry WHERE transfer_id = 's:req_paid'",
    rules: ['transfer_legs', 'account_posted', 'settlement_transfer'],
    subject: 's:req_paid',
  },
  {
    bug: 'a transfer row was deleted and its entries stayed',
    sql: "DELETE FROM transfer WHERE id = 's:req_paid'",
    rules: ['transfer_legs', 'settlement_transfer'],
    subject: 's:req_paid',
  },
  {
    bug: 'a balance was written without an entry',
    sql: "UPDATE account SET posted = posted + 1000000000 WHERE kind = 'balance'",
    rules: ['account_posted', 'ledger_sum'],
    subject: 'acc_',
  },
  {
    bug: 'a cached balance and its counterpart were both shifted',
    sql: "UPDATE account SET posted = posted + CASE WHEN kind = 'balance' THEN 5 ELSE -5 END WHERE kind IN ('balance', 'usage_revenue')",
    rules: ['account_posted'],
    subject: 'usage_revenue',
  },
  {
    bug: 'money came from nowhere',
    sql: "INSERT INTO account (id, kind, posted) VALUES ('acc_new', 'write_off', 3)",
    rules: ['ledger_sum', 'account_posted'],
    subject: 'all accounts',
  },
  {
    bug: 'a hold was never given back',
    sql: "UPDATE account SET held = held + 1 WHERE kind = 'balance'",
    rules: ['account_held'],
    subject: 'acc_',
  },
  {
    bug: 'an operator account holds money',
    sql: "UPDATE account SET held = 5 WHERE id = 'write_off'",
    rules: ['account_held'],
    subject: 'write_off',
  },
  {
    bug: 'more is held than there is',
    sql: "UPDATE account SET held = posted + 1 WHERE kind = 'balance'",
    rules: ['balance_covered', 'account_held'],
    subject: 'acc_',
  },
  {
    bug: 'a balance is below zero',
    sql: "UPDATE account SET posted = -1, held = 0 WHERE kind = 'balance'",
    rules: ['balance_covered', 'account_held', 'account_posted', 'ledger_sum'],
    subject: 'acc_',
  },
  {
    bug: 'a charge was posted a second time under another id',
    sql: `INSERT INTO transfer SELECT 's:req_paid2', kind, created_at FROM transfer WHERE id = 's:req_paid';
      INSERT INTO entry SELECT 's:req_paid2', leg, account_id, amount FROM entry WHERE transfer_id = 's:req_paid';
      UPDATE account SET posted = (SELECT SUM(amount) FROM entry WHERE account_id = account.id)`,
    rules: ['settlement_transfer'],
    subject: 's:req_paid2',
  },
  {
    bug: 'a released request was charged',
    sql: `INSERT INTO transfer VALUES ('s:req_failed', 'settlement', 0);
      INSERT INTO entry SELECT 's:req_failed', leg, account_id, amount FROM entry WHERE transfer_id = 's:req_paid';
      UPDATE account SET posted = (SELECT SUM(amount) FROM entry WHERE account_id = account.id)`,
    rules: ['settlement_transfer'],
    subject: 's:req_failed',
  },
  {
    bug: 'a plan request was charged to the balance as well',
    sql: `INSERT INTO transfer VALUES ('s:req_plan', 'settlement', 0);
      INSERT INTO entry SELECT 's:req_plan', leg, account_id, amount FROM entry WHERE transfer_id = 's:req_paid';
      UPDATE account SET posted = (SELECT SUM(amount) FROM entry WHERE account_id = account.id)`,
    rules: ['settlement_transfer'],
    subject: 's:req_plan',
  },
  {
    bug: 'a transfer without amounts was posted for a request that cost nothing',
    sql: `INSERT INTO transfer VALUES ('s:req_nothing', 'settlement', 0);
      INSERT INTO entry SELECT 's:req_nothing', leg, account_id, 0 FROM entry WHERE transfer_id = 's:req_paid'`,
    rules: ['settlement_transfer'],
    subject: 's:req_nothing',
  },
  {
    bug: 'a loss was booked against the customer',
    sql: `UPDATE entry SET account_id = (SELECT id FROM account WHERE kind = 'balance')
      WHERE transfer_id = 's:req_lost' AND account_id = 'write_off';
      UPDATE account SET posted = COALESCE((SELECT SUM(amount) FROM entry WHERE account_id = account.id), 0)`,
    rules: ['settlement_transfer'],
    subject: 's:req_lost',
  },
  {
    bug: 'a settled request has no transfer',
    sql: `DELETE FROM entry WHERE transfer_id = 's:req_tier'; DELETE FROM transfer WHERE id = 's:req_tier';
      UPDATE account SET posted = (SELECT SUM(amount) FROM entry WHERE account_id = account.id)`,
    rules: ['settlement_transfer'],
    subject: 's:req_tier',
  },
  {
    bug: 'a settled request vanished, its transfer stayed',
    sql: "DELETE FROM request WHERE id = 'req_tier'",
    rules: ['settlement_transfer'],
    subject: 's:req_tier',
  },
  {
    bug: 'a grant is larger than what was posted',
    sql: "UPDATE credit_grant SET amount = amount + 1 WHERE source = 'operator'",
    rules: ['grant_transfer'],
    subject: 'g:grant_',
  },
  {
    bug: 'a grant vanished, its transfer stayed',
    sql: "DELETE FROM credit_grant WHERE source = 'demo'",
    rules: ['grant_transfer'],
    subject: 'g:grant_',
  },
  {
    bug: 'a grant row has no transfer',
    sql: "INSERT INTO credit_grant SELECT 'grant_extra', workspace_id, source, amount, note, created_at FROM credit_grant WHERE source = 'demo'",
    rules: ['grant_transfer'],
    subject: 'g:grant_extra',
  },
  {
    bug: 'a grant was taken from the revenue',
    sql: `UPDATE entry SET account_id = 'usage_revenue' WHERE account_id = 'credit_issued';
      UPDATE account SET posted = COALESCE((SELECT SUM(amount) FROM entry WHERE account_id = account.id), 0)`,
    rules: ['grant_transfer'],
    subject: 'credit_issued',
  },
  {
    bug: 'the rates of a version were changed',
    sql: `UPDATE price_version SET rates = REPLACE(rates, '"output":"4400000000"', '"output":"4400000001000"')`,
    rules: ['request_cost'],
    subject: 'req_p',
  },
  {
    bug: 'the rates of a version are unreadable',
    sql: "UPDATE price_version SET rates = '{}'",
    rules: ['price_version'],
    subject: PRICE.version,
  },
  {
    bug: 'the rates of a version were lost',
    sql: 'DELETE FROM price_version',
    rules: ['price_version'],
    subject: PRICE.version,
  },
  {
    bug: 'tokens were changed after the charge',
    sql: "UPDATE request SET output_tokens = output_tokens + 1 WHERE id = 'req_paid'",
    rules: ['request_cost'],
    subject: 'req_paid',
  },
  {
    bug: 'a long prompt was charged at the base rates',
    sql: `UPDATE request SET cost = (999 * 1400 + 5000 * 4400) + (100001 * 260000003 + 500000) / 1000000 WHERE id = 'req_tier';
      UPDATE request SET charged = cost WHERE id = 'req_tier'`,
    rules: ['request_cost', 'settlement_transfer'],
    subject: 'req_tier',
  },
  {
    bug: 'a charge was rounded down instead of to the nearest',
    sql: "UPDATE request SET cost = cost - 1, charged = charged - 1 WHERE id = 'req_paid'",
    rules: ['request_cost', 'settlement_transfer'],
    subject: 'req_paid',
  },
  {
    bug: 'a cost is missing',
    sql: "UPDATE request SET cost = NULL WHERE id = 'req_plan'",
    rules: ['request_cost'],
    subject: 'req_plan',
  },
  {
    bug: 'a free request has a cost',
    sql: "UPDATE request SET cost = 1 WHERE id = 'req_free'",
    rules: ['request_cost'],
    subject: 'req_free',
  },
  {
    bug: 'a plan request was charged less than it cost',
    sql: "UPDATE request SET charged = charged - 1 WHERE id = 'req_plan'",
    rules: ['request_charged', 'request_window'],
    subject: 'req_plan',
  },
  {
    bug: 'a charge is above its hold',
    sql: "UPDATE request SET charged = hold + 1 WHERE id = 'req_lost'",
    rules: ['charged_within_hold', 'request_charged', 'settlement_transfer'],
    subject: 'req_lost',
  },
  {
    bug: 'a failed answer was settled',
    sql: "UPDATE request SET outcome = 'upstream_failed' WHERE id = 'req_paid'",
    rules: ['request_outcome'],
    subject: 'req_paid',
  },
  {
    bug: 'a complete answer was given away',
    sql: "UPDATE request SET outcome = 'complete', output_tokens = 1 WHERE id = 'req_failed'",
    rules: ['request_outcome'],
    subject: 'req_failed',
  },
  {
    bug: 'an outcome is not in the policy',
    sql: "UPDATE request SET outcome = 'lucky' WHERE id = 'req_paid'",
    rules: ['request_outcome'],
    subject: 'req_paid',
  },
  {
    bug: 'a free request holds money',
    sql: "UPDATE request SET hold = 7 WHERE id = 'req_free'",
    rules: ['free_request'],
    subject: 'req_free',
  },
  {
    bug: 'a window was counted down',
    sql: `UPDATE plan_window SET settled = settled - 1 WHERE name = '5 hour'`,
    rules: ['window_settled'],
    subject: ':5 hour:',
  },
  {
    bug: "a window's hold was never given back",
    sql: `UPDATE plan_window SET held = held + 1 WHERE name = 'weekly'`,
    rules: ['window_held'],
    subject: ':weekly:',
  },
  {
    bug: 'a request was counted without its weight',
    sql: `UPDATE plan_window SET settled = settled - (SELECT counted FROM request_window WHERE request_id = 'req_weighed' LIMIT 1)
        + (SELECT charged FROM request WHERE id = 'req_weighed');
      UPDATE request_window SET counted = (SELECT charged FROM request WHERE id = 'req_weighed') WHERE request_id = 'req_weighed'`,
    rules: ['request_window'],
    subject: 'req_weighed in ',
  },
  {
    bug: 'an ended request still holds of its windows',
    sql: "UPDATE request_window SET held = 5 WHERE request_id = 'req_plan'",
    rules: ['request_window'],
    subject: 'req_plan in ',
  },
  {
    bug: 'a plan request counts nowhere',
    sql: "DELETE FROM request_window WHERE request_id = 'req_plan'",
    rules: ['window_placement', 'window_settled'],
    subject: 'req_plan',
  },
  {
    bug: 'a request paid from the balance holds of a window',
    sql: `INSERT INTO request_window SELECT 'req_open', id, 0, 0 FROM (${SESSION})`,
    rules: ['window_placement'],
    subject: 'req_open in ',
  },
  {
    bug: 'a window counts a request that does not exist',
    sql: `INSERT INTO request_window SELECT 'req_ghost', id, 0, 0 FROM (${SESSION})`,
    rules: ['window_placement'],
    subject: 'req_ghost in ',
  },
  {
    bug: 'a request counts in a window that had ended',
    sql: "UPDATE plan_window SET starts_at = starts_at - 86400000, ends_at = starts_at - 1 WHERE name = '5 hour'",
    rules: ['window_placement'],
    subject: ' in seat_',
  },
  {
    bug: 'a window opened while another of its name was open',
    sql: `INSERT INTO plan_window SELECT id || '!', seat_id, name, kind, starts_at + 1, ends_at + 1, limit_amount, 0, 0
      FROM plan_window WHERE name = 'monthly'`,
    rules: ['window_overlap'],
    subject: '!',
  },
  {
    bug: 'a window is above the limit it was held under',
    sql: "UPDATE plan_window SET limit_amount = settled + held - 1 WHERE name = '5 hour'",
    rules: ['window_limit'],
    subject: ':5 hour:',
  },
]

describe('audit', () => {
  it('finds nothing on sound books, and says how much it looked at', (t) => {
    const report = audit(createBusyInstance(t))
    assert.deepEqual(report.differences, [])
    assert.deepEqual(report.checked, {
      ...{ accounts: 4, transfers: 5, entries: 11, grants: 2, requests: 11, held: 2, windows: 3, request_windows: 12 },
      ...{ price_versions: 1, rules: AUDIT_RULES.length },
    })
  })

  for (const { bug, sql, rules, subject } of PLANTED) {
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
    const caught = new Set<AuditRule>(['stale_hold', ...PLANTED.map(({ rules }) => rules[0] as AuditRule)])
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
