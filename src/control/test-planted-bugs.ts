/** For tests of the audit: what can go wrong with transfers, accounts and prices. */
import { PRICE } from './test-instance.ts'
import { BALANCE, type PlantedBug, RECOUNT } from './test-planted-bug.ts'
import { CREDIT_BUGS, LOT_BUGS } from './test-planted-credit-bugs.ts'
import { DAMAGE } from './test-planted-damage.ts'
import { METER_BUGS } from './test-planted-meter-bugs.ts'
import { REQUEST_BUGS } from './test-planted-request-bugs.ts'

const BALANCE_ID = `(SELECT id FROM account WHERE ${BALANCE})`
const COPY_OF_PAID = "SELECT 's:%', leg, account_id, amount, grant_id FROM entry WHERE transfer_id = 's:req_paid'"

/** A second posting of what a request was charged. */
function postAgain(requestId: string): string {
  return `INSERT INTO transfer (id, kind, created_at) VALUES ('s:${requestId}', 'settlement', 0);
    INSERT INTO entry (transfer_id, leg, account_id, amount, grant_id) ${COPY_OF_PAID.replace('%', requestId)};
    ${RECOUNT}`
}

const TRANSFER_BUGS: readonly PlantedBug[] = [
  {
    bug: 'an entry was changed',
    sql: "UPDATE entry SET amount = amount + 1 WHERE transfer_id = 's:req_paid' AND account_id = 'usage_revenue'",
    rules: ['transfer_sum', 'account_posted', 'settlement_transfer'],
    subject: 's:req_paid',
  },
  {
    bug: 'both legs of a charge were changed alike',
    sql: "UPDATE entry SET amount = amount * 2 WHERE transfer_id = 's:req_paid'",
    rules: ['settlement_transfer', 'account_posted', 'lot_remaining'],
    subject: 's:req_paid',
  },
  {
    bug: 'a transfer lost its entries',
    sql: "DELETE FROM entry WHERE transfer_id = 's:req_paid'",
    rules: ['transfer_legs', 'account_posted', 'settlement_transfer', 'lot_remaining'],
    subject: 's:req_paid',
  },
  {
    bug: 'a transfer row was deleted and its entries stayed',
    sql: "DELETE FROM transfer WHERE id = 's:req_paid'",
    rules: ['transfer_legs', 'settlement_transfer'],
    subject: 's:req_paid',
  },
  {
    bug: 'an entry is of an account that does not exist',
    sql: `UPDATE entry SET account_id = 'acc_lost' WHERE transfer_id = 's:req_paid' AND account_id = 'usage_revenue'; ${RECOUNT}`,
    rules: ['transfer_legs', 'settlement_transfer', 'ledger_sum'],
    subject: 's:req_paid on acc_lost',
  },
  {
    bug: 'a charge was posted a second time under another id',
    sql: postAgain('req_paid2'),
    rules: ['settlement_transfer', 'lot_remaining', 'lot_sum'],
    subject: 's:req_paid2',
  },
  {
    bug: 'a released request was charged',
    sql: postAgain('req_failed'),
    rules: ['settlement_transfer', 'lot_remaining', 'lot_sum'],
    subject: 's:req_failed',
  },
  {
    bug: 'a plan request was charged to the balance as well',
    sql: postAgain('req_plan'),
    rules: ['settlement_transfer', 'lot_remaining', 'lot_sum'],
    subject: 's:req_plan',
  },
  {
    bug: 'a transfer without amounts was posted for a request that cost nothing',
    sql: `INSERT INTO transfer (id, kind, created_at) VALUES ('s:req_nothing', 'settlement', 0);
      INSERT INTO entry (transfer_id, leg, account_id, amount, grant_id)
        SELECT 's:req_nothing', leg, account_id, 0, grant_id FROM entry WHERE transfer_id = 's:req_paid'`,
    rules: ['settlement_transfer'],
    subject: 's:req_nothing',
  },
  {
    bug: 'a loss was booked against the customer',
    sql: `UPDATE entry SET account_id = ${BALANCE_ID} WHERE transfer_id = 's:req_lost' AND account_id = 'write_off'; ${RECOUNT}`,
    rules: ['settlement_transfer', 'lot_sum', 'lot_leg'],
    subject: 's:req_lost',
  },
  {
    bug: 'a charge was posted to the balance of another workspace',
    sql: `UPDATE entry SET account_id = 'acc_other' WHERE transfer_id = 's:req_lost' AND grant_id IS NOT NULL; ${RECOUNT}`,
    rules: ['settlement_transfer', 'lot_sum', 'lot_leg', 'balance_credited'],
    subject: 's:req_lost',
  },
  {
    bug: 'a settled request has no transfer',
    sql: `DELETE FROM entry WHERE transfer_id = 's:req_tier'; DELETE FROM transfer WHERE id = 's:req_tier'; ${RECOUNT}`,
    rules: ['settlement_transfer', 'lot_remaining', 'lot_sum', 'balance_credited'],
    subject: 's:req_tier',
  },
  {
    bug: 'a settled request vanished, its transfer stayed',
    sql: `DELETE FROM request WHERE id = 'req_other'; DELETE FROM attempt WHERE request_id = 'req_other'`,
    rules: ['settlement_transfer'],
    subject: 's:req_other',
  },
]

const ACCOUNT_BUGS: readonly PlantedBug[] = [
  {
    bug: 'a balance was written without an entry',
    sql: `UPDATE account SET posted = posted + 1000000000, credited = credited + 1000000000 WHERE ${BALANCE}`,
    rules: ['account_posted', 'ledger_sum', 'lot_sum'],
    subject: 'acc_',
  },
  {
    bug: 'a cached balance and its counterpart were both shifted',
    sql: `UPDATE account SET posted = posted + CASE WHEN id = 'write_off' THEN 5 ELSE -5 END WHERE id IN ('write_off', 'usage_revenue')`,
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
    sql: `UPDATE account SET held = held + 1 WHERE ${BALANCE}`,
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
    sql: `UPDATE account SET held = posted + 1 WHERE ${BALANCE}`,
    rules: ['balance_covered', 'account_held'],
    subject: 'acc_',
  },
  {
    bug: 'a balance is below zero',
    sql: `UPDATE account SET posted = -1, held = 0 WHERE ${BALANCE}`,
    rules: ['balance_covered', 'account_held', 'account_posted', 'ledger_sum', 'lot_sum'],
    subject: 'acc_',
  },
  {
    bug: 'a credit did not start the thresholds anew',
    sql: `UPDATE account SET credited = posted - 1 WHERE ${BALANCE}`,
    rules: ['balance_credited'],
    subject: 'acc_',
  },
  {
    bug: 'an operator account counts as credited',
    sql: "UPDATE account SET credited = 1 WHERE id = 'usage_revenue'",
    rules: ['balance_credited'],
    subject: 'usage_revenue',
  },
  {
    bug: 'a balance counts as told though nobody was',
    sql: "DELETE FROM event WHERE type = 'balance.threshold'",
    rules: ['threshold_event'],
    subject: 'acc_other',
  },
  {
    bug: 'a balance counts as told of more than it was',
    sql: "UPDATE account SET told = 80 WHERE id = 'acc_other'",
    rules: ['threshold_event'],
    subject: 'acc_other',
  },
]

const PRICE_BUGS: readonly PlantedBug[] = [
  {
    bug: 'the rates of a version were changed',
    sql: `UPDATE price_version SET rates = REPLACE(rates, '"output":"4400000000"', '"output":"4400000001000"')`,
    rules: ['request_cost'],
    subject: 'req_',
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
]

export const PLANTED_BUGS: readonly PlantedBug[] = [
  ...TRANSFER_BUGS,
  ...ACCOUNT_BUGS,
  ...PRICE_BUGS,
  ...LOT_BUGS,
  ...CREDIT_BUGS,
  ...REQUEST_BUGS,
  ...METER_BUGS,
  ...DAMAGE,
]
