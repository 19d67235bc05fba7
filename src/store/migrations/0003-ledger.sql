-- Money that no crash, retry or race can lose: nodes, lots of credit, caps, one table of counters, events.

-- A process that takes requests. It counts its beats; whoever watches knows by its own clock when they stop.
CREATE TABLE node (
  id          TEXT PRIMARY KEY,
  -- The data directory it keeps its spill in: a later process of the same place speaks for an earlier one.
  place       TEXT NOT NULL,
  beat        BIGINT NOT NULL DEFAULT 0,
  started_at  BIGINT NOT NULL,
  ended_at    BIGINT
);

-- Counts changes of keys, seats, caps and settings; every process looks at it and forgets what it had remembered.
CREATE TABLE revision (
  name   TEXT PRIMARY KEY,
  value  BIGINT NOT NULL
);
INSERT INTO revision (name, value) VALUES ('policy', 0);

ALTER TABLE workspace ADD COLUMN time_zone TEXT NOT NULL DEFAULT 'UTC';
-- 1 is Monday, 7 is Sunday, as ISO 8601 has it.
ALTER TABLE workspace ADD COLUMN week_start INTEGER NOT NULL DEFAULT 1 CHECK (week_start BETWEEN 1 AND 7);

-- Accounts: credit that expired is the operator's again, and corrections give charges back.
CREATE TABLE account_3 (
  id              TEXT PRIMARY KEY,
  workspace_id    TEXT REFERENCES workspace (id),
  kind            TEXT NOT NULL CHECK (kind IN ('balance', 'credit_issued', 'credit_expired', 'usage_revenue', 'write_off')),
  posted          BIGINT NOT NULL DEFAULT 0,
  held            BIGINT NOT NULL DEFAULT 0 CHECK (held >= 0),
  -- The earliest expiry of a lot with something left in it; admission looks at lots only from then on.
  next_expiry_at  BIGINT,
  -- What was posted after the last credit: thresholds are shares of it.
  credited        BIGINT NOT NULL DEFAULT 0,
  -- The highest threshold, in percent, that was told since the last credit.
  told            INTEGER NOT NULL DEFAULT 0,
  CHECK (kind <> 'balance' OR posted - held >= 0)
);
INSERT INTO account_3 (id, workspace_id, kind, posted, held, credited)
  SELECT id, workspace_id, kind, posted, held, CASE WHEN kind = 'balance' THEN posted ELSE 0 END FROM account;

CREATE TABLE transfer_3 (
  id          TEXT PRIMARY KEY,
  kind        TEXT NOT NULL CHECK (kind IN ('grant', 'settlement', 'expiry', 'correction')),
  created_at  BIGINT NOT NULL
) /*sqlite WITHOUT ROWID*/;
INSERT INTO transfer_3 (id, kind, created_at) SELECT id, kind, created_at FROM transfer;

CREATE TABLE entry_3 (
  transfer_id  TEXT NOT NULL REFERENCES transfer_3 (id),
  leg          INTEGER NOT NULL,
  account_id   TEXT NOT NULL REFERENCES account_3 (id),
  amount       BIGINT NOT NULL,
  -- The lot of credit that a leg on a balance fills or draws on; null on the operator's accounts.
  grant_id     TEXT,
  PRIMARY KEY (transfer_id, leg)
) /*sqlite WITHOUT ROWID*/;
INSERT INTO entry_3 (transfer_id, leg, account_id, amount) SELECT transfer_id, leg, account_id, amount FROM entry;

-- A lot of credit. remaining is the cached rest: amount - used_before + the sum of its entries after the first.
CREATE TABLE credit_grant_3 (
  id            TEXT PRIMARY KEY,
  workspace_id  TEXT NOT NULL REFERENCES workspace (id),
  source        TEXT NOT NULL CHECK (source IN ('demo', 'operator', 'promotion', 'payment', 'refund')),
  amount        BIGINT NOT NULL CHECK (amount > 0),
  remaining     BIGINT NOT NULL CHECK (remaining >= 0 AND remaining <= amount),
  -- Drawn before entries named their lot.
  used_before   BIGINT NOT NULL DEFAULT 0,
  -- Lower is drawn on first; then the lot that expires first, then the oldest.
  priority      INTEGER NOT NULL DEFAULT 100,
  expires_at    BIGINT,
  note          TEXT NOT NULL,
  created_at    BIGINT NOT NULL
);
-- What was spent so far is taken from the oldest lots.
INSERT INTO credit_grant_3 (id, workspace_id, source, amount, remaining, used_before, note, created_at)
  SELECT id, workspace_id, source, amount, amount - used, used, note, created_at FROM (
    SELECT g.*, CASE
        WHEN s.spent <= s.before_it THEN 0
        WHEN s.spent - s.before_it >= g.amount THEN g.amount
        ELSE s.spent - s.before_it
      END AS used
    FROM credit_grant g JOIN (
      SELECT c.id AS grant_id,
        (SELECT COALESCE(SUM(o.amount), 0) FROM credit_grant o WHERE o.workspace_id = c.workspace_id AND (o.created_at, o.id) < (c.created_at, c.id)) AS before_it,
        (SELECT COALESCE(SUM(o.amount), 0) FROM credit_grant o WHERE o.workspace_id = c.workspace_id)
          - (SELECT a.posted FROM account a WHERE a.workspace_id = c.workspace_id AND a.kind = 'balance') AS spent
      FROM credit_grant c) s ON s.grant_id = g.id) lots;

-- What a person, a key or a workspace may spend of the balance in a day, week or month.
CREATE TABLE cap (
  id            TEXT PRIMARY KEY,
  workspace_id  TEXT NOT NULL REFERENCES workspace (id),
  scope         TEXT NOT NULL CHECK (scope IN ('workspace', 'member', 'key')),
  -- The id of the workspace, member or key.
  subject_id    TEXT NOT NULL,
  unit          TEXT NOT NULL CHECK (unit IN ('day', 'week', 'month')),
  limit_amount  BIGINT NOT NULL CHECK (limit_amount >= 0),
  created_at    BIGINT NOT NULL
);
CREATE UNIQUE INDEX cap_of_subject ON cap (subject_id, unit);
CREATE INDEX cap_of_workspace ON cap (workspace_id);

-- Counters of value: windows of seats, and periods of caps. A row is opened by the first request that counts in it.
CREATE TABLE meter (
  id            TEXT PRIMARY KEY,
  workspace_id  TEXT NOT NULL REFERENCES workspace (id),
  scope         TEXT NOT NULL CHECK (scope IN ('seat', 'workspace', 'member', 'key')),
  subject_id    TEXT NOT NULL,
  name          TEXT NOT NULL,
  kind          TEXT NOT NULL CHECK (kind IN ('session', 'calendar', 'anchored', 'sliding')),
  starts_at     BIGINT NOT NULL,
  ends_at       BIGINT NOT NULL CHECK (ends_at > starts_at),
  limit_amount  BIGINT NOT NULL,
  settled       BIGINT NOT NULL DEFAULT 0 CHECK (settled >= 0),
  held          BIGINT NOT NULL DEFAULT 0 CHECK (held >= 0),
  -- The highest threshold, in percent, that was told.
  told          INTEGER NOT NULL DEFAULT 0
);
INSERT INTO meter (id, workspace_id, scope, subject_id, name, kind, starts_at, ends_at, limit_amount, settled, held)
  SELECT w.id, s.workspace_id, 'seat', w.seat_id, w.name, w.kind, w.starts_at, w.ends_at, w.limit_amount, w.settled, w.held
  FROM plan_window w JOIN seat s ON s.id = w.seat_id;

-- What a request holds of, or counted in, each meter.
CREATE TABLE request_meter (
  request_id  TEXT NOT NULL,
  meter_id    TEXT NOT NULL REFERENCES meter (id),
  held        BIGINT NOT NULL,
  counted     BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (request_id, meter_id)
) /*sqlite WITHOUT ROWID*/;
INSERT INTO request_meter (request_id, meter_id, held, counted) SELECT request_id, window_id, held, counted FROM request_window;

DROP TABLE request_window;
DROP TABLE plan_window;
DROP TABLE entry;
DROP TABLE transfer;
DROP TABLE credit_grant;
DROP TABLE account;
ALTER TABLE account_3 RENAME TO account;
ALTER TABLE transfer_3 RENAME TO transfer;
ALTER TABLE entry_3 RENAME TO entry;
ALTER TABLE credit_grant_3 RENAME TO credit_grant;
INSERT INTO account (id, workspace_id, kind)
  SELECT 'credit_expired', NULL, 'credit_expired' FROM account WHERE id = 'credit_issued';
CREATE UNIQUE INDEX account_of_workspace ON account (workspace_id, kind) WHERE workspace_id IS NOT NULL;
CREATE UNIQUE INDEX meter_start ON meter (subject_id, name, starts_at);
CREATE INDEX meter_end ON meter (subject_id, ends_at);
CREATE INDEX lot_with_rest ON credit_grant (workspace_id) WHERE remaining > 0;

-- The node that took it, and whose end counts: another's comes too late.
ALTER TABLE request ADD COLUMN node_id TEXT;
ALTER TABLE request ADD COLUMN ended_by TEXT;
-- The balance account of its workspace, whatever pays.
ALTER TABLE request ADD COLUMN account_id TEXT;
-- How far the hold may grow in slices while the answer streams; equal to hold when all of it was held at once.
ALTER TABLE request ADD COLUMN max_hold BIGINT;
-- The output cap that was sent upstream instead of the client's, when that was not affordable.
ALTER TABLE request ADD COLUMN clamped_output BIGINT;
-- Names the request for its client, once per workspace; the digest is keyed, so that it tells nothing of the body.
ALTER TABLE request ADD COLUMN idempotency_key TEXT;
ALTER TABLE request ADD COLUMN body_digest TEXT;
ALTER TABLE request ADD COLUMN tags TEXT;
-- What a node reported of a request that had been ended without it: never charged.
ALTER TABLE request ADD COLUMN late_cost BIGINT;
-- A released request leaves its key to the next try: nothing was charged for it.
CREATE UNIQUE INDEX request_idempotency ON request (workspace_id, idempotency_key)
  WHERE idempotency_key IS NOT NULL AND state <> 'released';
CREATE INDEX request_of_workspace ON request (workspace_id, id);

-- What happened, told once: written with what caused it, delivered later.
CREATE TABLE event (
  id            TEXT PRIMARY KEY,
  type          TEXT NOT NULL,
  workspace_id  TEXT,
  payload       TEXT NOT NULL,
  created_at    BIGINT NOT NULL
);

-- One row per event and receiver; it goes when the receiver has it, or has refused it for too long.
CREATE TABLE delivery (
  event_id   TEXT NOT NULL REFERENCES event (id),
  receiver   TEXT NOT NULL,
  state      TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'given_up')),
  tries      INTEGER NOT NULL DEFAULT 0,
  next_at    BIGINT NOT NULL,
  last_error TEXT,
  PRIMARY KEY (event_id, receiver)
);
CREATE INDEX delivery_due ON delivery (receiver, next_at) WHERE state = 'waiting';
CREATE INDEX event_by_age ON event (created_at, id);
CREATE INDEX event_of_workspace ON event (workspace_id, created_at, id);

-- The books are append-only, and balances change through the ledger alone: `ledger_open` exists where it works.
/*sqlite
CREATE TRIGGER transfer_is_kept BEFORE UPDATE ON transfer BEGIN SELECT RAISE(ABORT, 'transfers are append-only'); END;
CREATE TRIGGER transfer_stays BEFORE DELETE ON transfer BEGIN SELECT RAISE(ABORT, 'transfers are append-only'); END;
CREATE TRIGGER entry_is_kept BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END;
CREATE TRIGGER entry_stays BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END;
CREATE TRIGGER price_version_is_kept BEFORE UPDATE ON price_version BEGIN SELECT RAISE(ABORT, 'price versions never change'); END;
CREATE TRIGGER price_version_stays BEFORE DELETE ON price_version BEGIN SELECT RAISE(ABORT, 'price versions never change'); END;
CREATE TRIGGER account_by_ledger BEFORE UPDATE ON account WHEN NOT ledger_open()
  BEGIN SELECT RAISE(ABORT, 'balances change through the ledger alone'); END;
*/
/*postgres
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$;
CREATE TRIGGER transfer_is_kept BEFORE UPDATE OR DELETE ON transfer FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER entry_is_kept BEFORE UPDATE OR DELETE ON entry FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER price_version_is_kept BEFORE UPDATE OR DELETE ON price_version FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE FUNCTION require_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('zendo.ledger_open', true) IS DISTINCT FROM 'yes' THEN
    RAISE EXCEPTION 'balances change through the ledger alone';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER account_by_ledger BEFORE UPDATE ON account FOR EACH ROW EXECUTE FUNCTION require_ledger();
*/
