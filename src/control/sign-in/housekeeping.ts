/** What is left of signing in when it is over: deleted, so that the tables hold what is in use. */
import { DAY_MS } from '../../base/time.ts'
import { deleteOldChallenges } from '../../store/challenge.ts'
import type { Database } from '../../store/database.ts'
import { forgetSessions } from './session.ts'
import { forgetFailures } from './throttle.ts'

/** A day after it ended, so that it can still be looked at. */
const KEPT_MS = DAY_MS

/** A chore: challenges, sessions and counts of failures. */
export function forgetSignIns(db: Database, nowMs: number): Promise<void> {
  return db.write(async (sql) => {
    await deleteOldChallenges(sql, nowMs - KEPT_MS)
    await forgetSessions(sql, nowMs)
    await forgetFailures(sql, nowMs)
  })
}
