/** For tests of the audit: numbers as large as they can be, which must be reported and not end the audit, and gaps. */
import type { PlantedBug } from './test-planted-bug.ts'

const HUGE = '9223372036854775807'

export const DAMAGE: readonly PlantedBug[] = [
  {
    bug: 'an entry of the audit log is gone',
    sql: "UPDATE revision SET value = value + 1 WHERE name = 'audit_log'",
    rules: ['audit_log'],
    subject: 'entry 1',
  },
  {
    bug: 'entries are as large as they can be',
    sql: `UPDATE entry SET amount = ${HUGE} WHERE account_id = 'usage_revenue'`,
    rules: ['transfer_sum', 'account_posted', 'settlement_transfer', 'correction_transfer'],
    subject: 's:req_paid',
  },
  {
    bug: 'balances are as large as they can be',
    sql: `UPDATE account SET posted = ${HUGE}, credited = ${HUGE} WHERE kind = 'balance'`,
    rules: ['account_posted', 'ledger_sum', 'lot_sum', 'threshold_event'],
    subject: 'acc_',
  },
  {
    bug: 'a balance is as small as it can be',
    sql: `UPDATE account SET posted = -${HUGE} - 1, held = ${HUGE} WHERE id = 'acc_other'`,
    rules: ['account_posted', 'account_held', 'ledger_sum', 'lot_sum', 'balance_covered'],
    subject: 'acc_other',
  },
  {
    bug: 'lots are as large as they can be',
    sql: `UPDATE credit_grant SET amount = ${HUGE}, remaining = ${HUGE}, used_before = ${HUGE}`,
    rules: [
      'lot_remaining',
      'lot_sum',
      'lot_leg',
      'grant_transfer',
      'correction_transfer',
      'expiry_transfer',
      'lot_expiry',
    ],
    subject: 'grant_',
  },
  {
    bug: 'counts of tokens are as large as they can be',
    sql: `UPDATE request SET input_tokens = ${HUGE}, output_tokens = ${HUGE} WHERE id = 'req_paid'`,
    rules: ['request_cost'],
    subject: 'req_paid',
  },
  {
    bug: 'holds are as large as they can be',
    sql: `UPDATE request SET hold = ${HUGE}, max_hold = ${HUGE}, weight_ppm = ${HUGE} WHERE state = 'held';
      UPDATE request SET funding = 'balance', seat_id = NULL WHERE state = 'held'`,
    rules: ['account_held', 'request_meter', 'meter_placement'],
    subject: 'acc_',
  },
  {
    bug: 'meters are as large as they can be',
    sql: `UPDATE meter SET settled = ${HUGE}, held = ${HUGE}`,
    rules: ['meter_held', 'meter_settled', 'meter_limit'],
    subject: ':5 hour:',
  },
  {
    bug: 'what requests count is as large as it can be',
    sql: `UPDATE request_meter SET held = ${HUGE}, counted = ${HUGE}`,
    rules: ['request_meter', 'meter_held', 'meter_settled'],
    subject: 'req_',
  },
]
