/** For tests of the audit: what can go wrong with the meters of windows and caps. */
import type { PlantedBug } from './test-planted-bug.ts'

const SESSION = "name = '5 hour'"
const OF_ROLLING = "(SELECT id FROM meter WHERE name = 'rolling' AND settled > 0 ORDER BY starts_at LIMIT 1)"

export const METER_BUGS: readonly PlantedBug[] = [
  {
    bug: 'a meter was counted down',
    sql: `UPDATE meter SET settled = settled - 1 WHERE ${SESSION}`,
    rules: ['meter_settled'],
    subject: ':5 hour:',
  },
  {
    bug: 'a cap was counted down',
    sql: "UPDATE meter SET settled = settled - 1 WHERE name = 'monthly key cap'",
    rules: ['meter_settled'],
    subject: ':monthly key cap:',
  },
  {
    bug: "a meter's hold was never given back",
    sql: "UPDATE meter SET held = held + 1 WHERE name = 'weekly'",
    rules: ['meter_held'],
    subject: ':weekly:',
  },
  {
    bug: 'a request was counted without its weight',
    sql: `UPDATE meter SET settled = settled - (SELECT counted FROM request_meter WHERE request_id = 'req_weighed' LIMIT 1)
        + (SELECT charged FROM request WHERE id = 'req_weighed')
        WHERE id IN (SELECT meter_id FROM request_meter WHERE request_id = 'req_weighed');
      UPDATE request_meter SET counted = (SELECT charged FROM request WHERE id = 'req_weighed') WHERE request_id = 'req_weighed'`,
    rules: ['request_meter'],
    subject: 'req_weighed in ',
  },
  {
    bug: 'a cap was weighed as a window is',
    sql: `UPDATE request SET weight_ppm = 2000000 WHERE id = 'req_paid';
      UPDATE request_meter SET counted = counted * 2 WHERE request_id = 'req_paid';
      UPDATE meter SET settled = (SELECT SUM(counted) FROM request_meter WHERE meter_id = meter.id)`,
    rules: ['request_meter'],
    subject: 'req_paid in ',
  },
  {
    bug: 'an ended request still holds of its meters',
    sql: "UPDATE request_meter SET held = 5 WHERE request_id = 'req_plan'",
    rules: ['request_meter'],
    subject: 'req_plan in ',
  },
  {
    bug: 'a released request was counted',
    sql: `UPDATE request_meter SET counted = 5 WHERE request_id = 'req_cut';
      UPDATE meter SET settled = (SELECT SUM(counted) FROM request_meter WHERE meter_id = meter.id)`,
    rules: ['request_meter'],
    subject: 'req_cut in ',
  },
  {
    bug: 'a hold grew and its meters do not know',
    sql: `UPDATE request SET hold = hold + 1, max_hold = max_hold + 1 WHERE id = 'req_open_plan'`,
    rules: ['request_meter'],
    subject: 'req_open_plan in ',
  },
  {
    bug: 'a plan request counts nowhere',
    sql: "DELETE FROM request_meter WHERE request_id = 'req_plan'",
    rules: ['meter_placement', 'meter_settled'],
    subject: 'req_plan',
  },
  {
    bug: 'a request paid from the balance holds of a window',
    sql: `INSERT INTO request_meter (request_id, meter_id, held) SELECT 'req_other', id, 0 FROM meter WHERE ${SESSION}`,
    rules: ['meter_placement', 'request_meter'],
    subject: 'req_other in ',
  },
  {
    bug: 'a free request counts in a cap',
    sql: "INSERT INTO request_meter (request_id, meter_id, held) SELECT 'req_free', id, 0 FROM meter WHERE name = 'daily workspace cap'",
    rules: ['meter_placement'],
    subject: 'req_free in ',
  },
  {
    bug: 'a meter counts a request that does not exist',
    sql: `INSERT INTO request_meter (request_id, meter_id, held) SELECT 'req_ghost', id, 0 FROM meter WHERE ${SESSION}`,
    rules: ['meter_placement'],
    subject: 'req_ghost in ',
  },
  {
    bug: 'a request counts in the cap of another key',
    sql: "UPDATE request SET key_id = 'key_other' WHERE id = 'req_paid'",
    rules: ['meter_placement'],
    subject: 'req_paid in key_',
  },
  {
    bug: 'a meter is of another workspace than its requests',
    sql: "UPDATE meter SET workspace_id = 'wrk_other' WHERE name = 'weekly member cap'",
    rules: ['meter_placement'],
    subject: ' in mem_',
  },
  {
    bug: 'a request counts in a window that had ended',
    sql: `UPDATE meter SET starts_at = starts_at - 86400000, ends_at = starts_at - 1 WHERE ${SESSION}`,
    rules: ['meter_placement'],
    subject: ' in seat_',
  },
  {
    bug: 'a request was counted in the window after the one that admitted it',
    sql: `INSERT INTO meter (id, workspace_id, scope, subject_id, name, kind, starts_at, ends_at, limit_amount, settled, held)
        SELECT 'next', workspace_id, scope, subject_id, name, kind, ends_at, ends_at + 18000000, limit_amount,
          (SELECT counted FROM request_meter WHERE request_id = 'req_plan' AND meter_id = meter.id), 0 FROM meter WHERE ${SESSION};
      UPDATE meter SET settled = settled - (SELECT settled FROM meter n WHERE n.id = 'next') WHERE ${SESSION} AND id <> 'next';
      UPDATE request_meter SET meter_id = 'next' WHERE request_id = 'req_plan' AND meter_id = (SELECT id FROM meter WHERE ${SESSION} AND id <> 'next')`,
    rules: ['meter_placement'],
    subject: 'req_plan in next',
  },
  {
    bug: 'a request was counted twice in a window, in two buckets',
    sql: `INSERT INTO request_meter (request_id, meter_id, held, counted)
        SELECT 'req_rolling2', ${OF_ROLLING}, 0, counted FROM request_meter WHERE request_id = 'req_rolling2';
      UPDATE meter SET settled = (SELECT SUM(counted) FROM request_meter WHERE meter_id = meter.id)`,
    rules: ['meter_placement'],
    subject: 'req_rolling2 in ',
  },
  {
    bug: 'a window opened while another of its name was open',
    sql: `INSERT INTO meter (id, workspace_id, scope, subject_id, name, kind, starts_at, ends_at, limit_amount)
      SELECT id || '!', workspace_id, scope, subject_id, name, kind, starts_at + 1, ends_at + 1, limit_amount FROM meter WHERE name = 'monthly'`,
    rules: ['meter_overlap'],
    subject: '!',
  },
  {
    bug: 'a window was opened twice',
    sql: `DROP INDEX meter_start;
      INSERT INTO meter (id, workspace_id, scope, subject_id, name, kind, starts_at, ends_at, limit_amount)
      SELECT id || '!', workspace_id, scope, subject_id, name, kind, starts_at, ends_at, limit_amount FROM meter WHERE name = 'monthly'`,
    rules: ['meter_overlap'],
    subject: ':monthly:',
  },
  {
    bug: 'a window is above the limit it was held under',
    sql: `UPDATE meter SET limit_amount = settled + held - 1 WHERE ${SESSION}`,
    rules: ['meter_limit'],
    subject: ':5 hour:',
  },
  {
    bug: 'the buckets of a sliding window are above its limit together',
    sql: "UPDATE meter SET limit_amount = settled + 1 WHERE name = 'rolling'",
    rules: ['meter_limit'],
    subject: ' rolling',
  },
  {
    bug: 'a window counts as told though nobody was',
    sql: "DELETE FROM event WHERE type = 'limit.threshold'",
    rules: ['threshold_event'],
    subject: ':tight:',
  },
  {
    bug: 'a window counts as told of a threshold that there is not',
    sql: "UPDATE meter SET told = 51 WHERE name = 'tight'",
    rules: ['threshold_event'],
    subject: ':tight:',
  },
]
