/** For tests of the audit: how the books of `createBusyBooks` are spoiled by raw SQL, and what must notice it. */
import type { Database } from '../store/database.ts'
import type { AuditRule } from './audit.ts'

/** What a planted bug does to the database, and the rules that must notice; others must stay silent. */
export interface PlantedBug {
  readonly bug: string
  /** The same for both engines, once nothing in the database stands against it. */
  readonly sql: string
  /** In any order; the first is the one that the bug was planted for. */
  readonly rules: readonly AuditRule[]
  /** Stands in the subject of a difference that the first rule finds. */
  readonly subject: string
}

/** Drops what keeps the books append-only and the rows of each table consistent: the audit must do without. */
export async function disarm(db: Database): Promise<void> {
  if (db.engine === 'postgres') return await db.script(DISARM_POSTGRES)
  const triggers = await db.all<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'trigger'")
  const drops = triggers.map(({ name }) => `DROP TRIGGER ${name};`)
  await db.script(`PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; ${drops.join(' ')}`)
}

const DISARM_POSTGRES = `DO $$ DECLARE item record; BEGIN
  FOR item IN SELECT tgrelid::regclass AS place, tgname AS name FROM pg_trigger WHERE NOT tgisinternal LOOP
    EXECUTE format('DROP TRIGGER %I ON %s', item.name, item.place);
  END LOOP;
  FOR item IN SELECT conrelid::regclass AS place, conname AS name FROM pg_constraint
    WHERE contype IN ('c', 'f') AND connamespace = current_schema()::regnamespace LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', item.place, item.name);
  END LOOP;
END $$`

/** The balance of the first workspace; the other one's is `acc_other`. */
export const BALANCE = "kind = 'balance' AND id <> 'acc_other'"
/** So that the cached balances do not give it away. */
export const RECOUNT =
  'UPDATE account SET posted = COALESCE((SELECT SUM(amount) FROM entry WHERE account_id = account.id), 0)'
