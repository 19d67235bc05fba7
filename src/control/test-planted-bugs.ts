/** For tests of the audit: what can go wrong with the books, as the raw SQL that does it, and who must notice. */
import type { AuditRule } from './audit.ts'
import { PRICE } from './test-instance.ts'

/** What a planted bug does to the database, and the rules that must notice; others must stay silent. */
export interface PlantedBug {
  readonly bug: string
  readonly sql: string
  readonly rules: readonly AuditRule[]
  /** Stands in the subject of the first rule's difference. */
  readonly subject: string
}

const SESSION = "SELECT id FROM plan_window WHERE name = '5 hour'"

/** On the books of `createBusyInstance` in `audit.test.ts`. */
export const PLANTED_BUGS: readonly PlantedBug[] = [
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
