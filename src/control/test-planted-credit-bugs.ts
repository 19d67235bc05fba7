/** For tests of the audit: what can go wrong with lots of credit, their expiry and refunds. */
import { BALANCE, type PlantedBug, RECOUNT } from './test-planted-bug.ts'

const EXPIRED = "(SELECT id FROM credit_grant WHERE source = 'promotion' AND priority = 1)"

export const LOT_BUGS: readonly PlantedBug[] = [
  {
    bug: 'a lot was drawn on without an entry',
    sql: "UPDATE credit_grant SET remaining = remaining - 1 WHERE source = 'operator' AND workspace_id = 'wrk_other'",
    rules: ['lot_remaining', 'lot_sum'],
    subject: 'grant_',
  },
  {
    bug: 'what one lot lost another gained',
    sql: `UPDATE credit_grant SET remaining = remaining + CASE WHEN source = 'refund' THEN -1 ELSE 2 END
      WHERE source = 'refund' OR (priority = 1 AND source = 'promotion')`,
    rules: ['lot_remaining', 'expiry_transfer', 'lot_expiry'],
    subject: 'grant_',
  },
  {
    bug: 'a lot has more left than was given',
    sql: "UPDATE credit_grant SET used_before = -1, remaining = amount + 1 WHERE source = 'promotion' AND priority = 900",
    rules: ['lot_remaining', 'lot_sum', 'lot_leg'],
    subject: 'grant_',
  },
  {
    bug: 'a lot counts as used before its draws were known, though it was not',
    sql: "UPDATE credit_grant SET used_before = 1, remaining = remaining - 1 WHERE source = 'promotion' AND priority = 900",
    rules: ['lot_leg', 'lot_sum'],
    subject: 'acc_',
  },
  {
    bug: 'a charge drew on no lot',
    sql: `UPDATE credit_grant SET remaining = remaining - (SELECT SUM(amount) FROM entry WHERE grant_id = credit_grant.id AND transfer_id = 's:req_other')
        WHERE workspace_id = 'wrk_other';
      UPDATE entry SET grant_id = NULL WHERE transfer_id = 's:req_other'`,
    rules: ['lot_sum', 'lot_leg'],
    subject: 'acc_other',
  },
  {
    bug: 'a charge drew on a lot of another workspace',
    sql: `UPDATE entry SET grant_id = ${EXPIRED} WHERE transfer_id = 's:req_other' AND grant_id IS NOT NULL`,
    rules: ['lot_leg', 'lot_remaining'],
    subject: 's:req_other on acc_other',
  },
  {
    bug: 'a leg on the revenue names a lot',
    sql: `UPDATE entry SET grant_id = ${EXPIRED} WHERE transfer_id = 's:req_paid' AND account_id = 'usage_revenue'`,
    rules: ['lot_leg'],
    subject: 's:req_paid on usage_revenue',
  },
  {
    bug: 'a lot will expire and its balance does not know',
    sql: `UPDATE account SET next_expiry_at = NULL WHERE ${BALANCE}`,
    rules: ['lot_expiry'],
    subject: 'acc_',
  },
  {
    bug: 'a lot expires before its balance looks',
    sql: `UPDATE account SET next_expiry_at = next_expiry_at + 1 WHERE ${BALANCE}`,
    rules: ['lot_expiry'],
    subject: 'acc_',
  },
]

export const CREDIT_BUGS: readonly PlantedBug[] = [
  {
    bug: 'a grant is larger than what was posted',
    sql: "UPDATE credit_grant SET amount = amount + 1, remaining = remaining + 1 WHERE source = 'operator' AND workspace_id = 'wrk_other'",
    rules: ['grant_transfer', 'lot_sum'],
    subject: 'g:grant_',
  },
  {
    bug: 'a lot vanished, its transfer stayed',
    sql: "DELETE FROM credit_grant WHERE source = 'demo'",
    rules: ['grant_transfer', 'lot_sum', 'lot_leg'],
    subject: 'g:grant_',
  },
  {
    bug: 'a lot has no transfer',
    sql: `INSERT INTO credit_grant (id, workspace_id, source, amount, remaining, used_before, note, created_at)
      SELECT 'grant_extra', workspace_id, source, amount, 0, amount, note, created_at FROM credit_grant WHERE source = 'demo'`,
    rules: ['grant_transfer', 'lot_leg'],
    subject: 'g:grant_extra',
  },
  {
    bug: 'credit was taken from the revenue',
    sql: `UPDATE entry SET account_id = 'usage_revenue' WHERE account_id = 'credit_issued'; ${RECOUNT}`,
    rules: ['grant_transfer'],
    subject: 'credit_issued',
  },
  {
    bug: 'credit expired before its time',
    sql: `UPDATE credit_grant SET expires_at = expires_at + 86400000 WHERE id = ${EXPIRED}`,
    rules: ['expiry_transfer'],
    subject: 'x:grant_',
  },
  {
    bug: 'credit without an expiry expired',
    sql: `UPDATE credit_grant SET expires_at = NULL WHERE id = ${EXPIRED}`,
    rules: ['expiry_transfer'],
    subject: 'x:grant_',
  },
  {
    bug: 'expired credit became revenue',
    sql: `UPDATE entry SET account_id = 'usage_revenue' WHERE account_id = 'credit_expired'; ${RECOUNT}`,
    rules: ['expiry_transfer'],
    subject: 'x:grant_',
  },
  {
    bug: 'more expired than the transfer says was left',
    sql: `UPDATE entry SET transfer_id = RTRIM(transfer_id, '0123456789') || '1' WHERE transfer_id LIKE 'x:%';
      UPDATE transfer SET id = RTRIM(id, '0123456789') || '1' WHERE id LIKE 'x:%'`,
    rules: ['expiry_transfer'],
    subject: 'x:grant_',
  },
  {
    bug: 'an expiry names a number that no amount can be',
    sql: `UPDATE entry SET transfer_id = transfer_id || '99999999999999999999' WHERE transfer_id LIKE 'x:%';
      UPDATE transfer SET id = id || '99999999999999999999' WHERE id LIKE 'x:%'`,
    rules: ['expiry_transfer'],
    subject: 'x:grant_',
  },
  {
    bug: 'an expiry is of another lot than it says',
    sql: `UPDATE entry SET transfer_id = 'x:grant_b:' || -amount WHERE transfer_id LIKE 'x:%' AND grant_id IS NOT NULL;
      UPDATE entry SET transfer_id = 'x:grant_b:' || amount WHERE transfer_id LIKE 'x:%' AND grant_id IS NULL;
      UPDATE transfer SET id = (SELECT DISTINCT transfer_id FROM entry WHERE transfer_id LIKE 'x:%') WHERE id LIKE 'x:%'`,
    rules: ['expiry_transfer'],
    subject: 'x:grant_b',
  },
  {
    bug: 'more was refunded than was charged',
    sql: "UPDATE request SET charged = 1 WHERE id = 'req_paid'",
    rules: ['correction_transfer', 'request_charged', 'settlement_transfer', 'request_meter'],
    subject: 'req_paid',
  },
  {
    bug: 'a refund is larger than its lot',
    sql: `UPDATE entry SET amount = amount * 2 WHERE transfer_id = 'c:req_paid:0'; ${RECOUNT}`,
    rules: ['correction_transfer', 'lot_sum', 'balance_credited'],
    subject: 'c:req_paid:0 on ',
  },
  {
    bug: 'a refund was taken from the credit issued',
    sql: `UPDATE entry SET account_id = 'credit_issued' WHERE transfer_id = 'c:req_paid:0' AND account_id = 'usage_revenue'; ${RECOUNT}`,
    rules: ['correction_transfer'],
    subject: 'c:req_paid:0 on ',
  },
  {
    bug: 'a lot is called a refund of nothing',
    sql: "UPDATE credit_grant SET source = 'refund' WHERE source = 'demo'",
    rules: ['correction_transfer', 'grant_transfer'],
    subject: 'grant_',
  },
  {
    bug: 'a refund names a request that paid nothing',
    sql: `UPDATE transfer SET id = 'c:req_plan:0' WHERE id = 'c:req_paid:0';
      UPDATE entry SET transfer_id = 'c:req_plan:0' WHERE transfer_id = 'c:req_paid:0'`,
    rules: ['correction_transfer'],
    subject: 'c:req_plan:0',
  },
  {
    bug: 'a refund names no request',
    sql: `UPDATE transfer SET id = 'c' WHERE id = 'c:req_paid:0';
      UPDATE entry SET transfer_id = 'c' WHERE transfer_id = 'c:req_paid:0'`,
    rules: ['correction_transfer'],
    subject: 'c',
  },
  {
    bug: 'a refund went to another workspace than the charge',
    sql: `UPDATE transfer SET id = 'c:req_other:0' WHERE id = 'c:req_paid:0';
      UPDATE entry SET transfer_id = 'c:req_other:0' WHERE transfer_id = 'c:req_paid:0'`,
    rules: ['correction_transfer'],
    subject: 'c:req_other:0',
  },
]
