/** SQL that re-derives the plan windows from what each request holds and counted. */
import { find, type Mismatch } from './audit.ts'
import type { Database } from './database.ts'

export function findWrongWindowHeld(db: Database): Mismatch[] {
  return find(
    db,
    'SELECT w.id AS subject, COALESCE(h.total, 0) AS expected, w.held AS found FROM plan_window w' +
      ' LEFT JOIN (SELECT rw.window_id, SUM(rw.held) AS total FROM request_window rw' +
      " JOIN request r ON r.id = rw.request_id WHERE r.state = 'held' GROUP BY rw.window_id) h ON h.window_id = w.id" +
      ' WHERE w.held <> COALESCE(h.total, 0)',
  )
}

export function findWrongWindowSettled(db: Database): Mismatch[] {
  return find(
    db,
    'SELECT w.id AS subject, COALESCE(c.total, 0) AS expected, w.settled AS found FROM plan_window w' +
      ' LEFT JOIN (SELECT window_id, SUM(counted) AS total FROM request_window GROUP BY window_id) c' +
      ' ON c.window_id = w.id WHERE w.settled <> COALESCE(c.total, 0)',
  )
}

/**
 * An amount times the request's weight, to the nearest nano-dollar, halves up; whole weights and millionths apart, so
 * that products fit 64 bits.
 */
function weighed(column: 'hold' | 'charged'): string {
  return `r.${column} * (r.weight_ppm / 1000000) + (r.${column} * (r.weight_ppm % 1000000) + 500000) / 1000000`
}

/** While a plan request runs it holds its weighed hold; settled, it counts its weighed charge; else nothing. */
export function findWrongRequestWindows(db: Database): Mismatch[] {
  const held = `CASE WHEN r.funding = 'plan' AND r.state = 'held' THEN ${weighed('hold')} ELSE 0 END`
  const counted = `CASE WHEN r.funding = 'plan' AND r.state = 'settled' THEN ${weighed('charged')} ELSE 0 END`
  return find(
    db,
    "SELECT rw.request_id || ' in ' || rw.window_id AS subject," +
      ` 'holds ' || ${held} || ', counts ' || ${counted} AS expected,` +
      " 'holds ' || rw.held || ', counts ' || rw.counted AS found FROM request_window rw" +
      ` JOIN request r ON r.id = rw.request_id WHERE rw.held <> ${held} OR rw.counted <> ${counted}`,
  )
}

/** Plan requests count in every window of one opening instant or not at all; others count in none. */
export function findMisplacedRequests(db: Database): Mismatch[] {
  return [
    ...find(
      db,
      "SELECT r.id AS subject, 'at least one window' AS expected, 'none' AS found FROM request r" +
        " WHERE r.funding = 'plan' AND NOT EXISTS (SELECT 1 FROM request_window rw WHERE rw.request_id = r.id)",
    ),
    ...find(
      db,
      "SELECT rw.request_id || ' in ' || rw.window_id AS subject, 'a plan request' AS expected," +
        " COALESCE(r.funding, 'no request') AS found FROM request_window rw" +
        " LEFT JOIN request r ON r.id = rw.request_id WHERE r.funding IS NULL OR r.funding <> 'plan'",
    ),
    // Admitted before its start is no fault: the clock was set back, and the open window went on to count.
    ...find(
      db,
      "SELECT rw.request_id || ' in ' || w.id AS subject, 'a window of its seat, open when it was admitted' AS expected," +
        " 'seat ' || w.seat_id || ', ' || w.starts_at || ' to ' || w.ends_at || ', admitted ' || r.created_at AS found" +
        ' FROM request_window rw JOIN request r ON r.id = rw.request_id JOIN plan_window w ON w.id = rw.window_id' +
        " WHERE r.funding = 'plan' AND (r.created_at >= w.ends_at" +
        ' OR r.seat_id IS NULL OR r.seat_id <> w.seat_id)',
    ),
  ]
}

export function findOverlappingWindows(db: Database): Mismatch[] {
  return find(
    db,
    "SELECT b.id AS subject, 'not before ' || a.ends_at AS expected, b.starts_at AS found FROM plan_window a" +
      ' JOIN plan_window b ON b.seat_id = a.seat_id AND b.name = a.name AND b.starts_at > a.starts_at' +
      ' AND b.starts_at < a.ends_at',
  )
}

/**
 * A hold is accepted only where it fits, and that notes the limit then in force; later a request can only give back.
 * So a window is never above its noted limit, even after the operator lowered the plan's.
 */
export function findOverfullWindows(db: Database): Mismatch[] {
  return find(
    db,
    "SELECT id AS subject, limit_amount || ' at most' AS expected, settled + held AS found FROM plan_window" +
      ' WHERE settled + held > limit_amount',
  )
}
