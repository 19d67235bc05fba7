-- Amounts are whole nano-dollars (1e-9 USD), instants milliseconds since the epoch. What stands in /*sqlite …*/ is for
-- SQLite alone: there a table that every request writes to is half the work when it is its own primary index.

CREATE TABLE workspace (
  id          TEXT PRIMARY KEY,
  name        TEXT NOT NULL,
  created_at  BIGINT NOT NULL
);

CREATE TABLE member (
  id            TEXT PRIMARY KEY,
  workspace_id  TEXT NOT NULL REFERENCES workspace (id),
  name          TEXT NOT NULL,
  role          TEXT NOT NULL CHECK (role IN ('admin', 'member')),
  created_at    BIGINT NOT NULL
);

-- Only the SHA-256 of a key is stored; the preview is what lists may show of it.
CREATE TABLE api_key (
  id            TEXT PRIMARY KEY,
  workspace_id  TEXT NOT NULL REFERENCES workspace (id),
  member_id     TEXT NOT NULL REFERENCES member (id),
  name          TEXT NOT NULL,
  hash          TEXT NOT NULL UNIQUE,
  preview       TEXT NOT NULL,
  created_at    BIGINT NOT NULL,
  revoked_at    BIGINT
);

-- The ledger. A balance is prepaid money of a workspace; the other kinds belong to the operator.
-- posted is the cached sum of the account's entries, held the cached sum of its open holds.
CREATE TABLE account (
  id            TEXT PRIMARY KEY,
  workspace_id  TEXT REFERENCES workspace (id),
  kind          TEXT NOT NULL CHECK (kind IN ('balance', 'credit_issued', 'usage_revenue', 'write_off')),
  posted        BIGINT NOT NULL DEFAULT 0,
  held          BIGINT NOT NULL DEFAULT 0 CHECK (held >= 0),
  CHECK (kind <> 'balance' OR posted - held >= 0)
);
CREATE UNIQUE INDEX account_of_workspace ON account (workspace_id, kind) WHERE workspace_id IS NOT NULL;

-- Ids are derived from what caused the transfer (s:<request>, g:<grant>), so that repeating the cause changes nothing.
CREATE TABLE transfer (
  id          TEXT PRIMARY KEY,
  kind        TEXT NOT NULL CHECK (kind IN ('grant', 'settlement')),
  created_at  BIGINT NOT NULL
) /*sqlite WITHOUT ROWID*/;

CREATE TABLE entry (
  transfer_id  TEXT NOT NULL REFERENCES transfer (id),
  leg          INTEGER NOT NULL,
  account_id   TEXT NOT NULL REFERENCES account (id),
  amount       BIGINT NOT NULL,
  PRIMARY KEY (transfer_id, leg)
) /*sqlite WITHOUT ROWID*/;

CREATE TABLE credit_grant (
  id            TEXT PRIMARY KEY,
  workspace_id  TEXT NOT NULL REFERENCES workspace (id),
  source        TEXT NOT NULL CHECK (source IN ('demo', 'operator')),
  amount        BIGINT NOT NULL CHECK (amount > 0),
  note          TEXT NOT NULL,
  created_at    BIGINT NOT NULL
);

CREATE TABLE seat (
  id            TEXT PRIMARY KEY,
  workspace_id  TEXT NOT NULL REFERENCES workspace (id),
  member_id     TEXT NOT NULL REFERENCES member (id),
  plan_id       TEXT NOT NULL,
  use_balance   INTEGER NOT NULL DEFAULT 0 CHECK (use_balance IN (0, 1)),
  started_at    BIGINT NOT NULL,
  ended_at      BIGINT
);
CREATE UNIQUE INDEX seat_in_use ON seat (member_id, plan_id) WHERE ended_at IS NULL;

CREATE TABLE plan_window (
  id            TEXT PRIMARY KEY,
  seat_id       TEXT NOT NULL REFERENCES seat (id),
  name          TEXT NOT NULL,
  kind          TEXT NOT NULL CHECK (kind IN ('session', 'calendar', 'anchored')),
  starts_at     BIGINT NOT NULL,
  ends_at       BIGINT NOT NULL CHECK (ends_at > starts_at),
  limit_amount  BIGINT NOT NULL,
  settled       BIGINT NOT NULL DEFAULT 0 CHECK (settled >= 0),
  held          BIGINT NOT NULL DEFAULT 0 CHECK (held >= 0)
);
CREATE UNIQUE INDEX plan_window_start ON plan_window (seat_id, name, starts_at);
CREATE INDEX plan_window_end ON plan_window (seat_id, ends_at);

-- One row per admitted request. held -> settled | released, once.
CREATE TABLE request (
  id                      TEXT PRIMARY KEY,
  workspace_id            TEXT,
  member_id               TEXT,
  key_id                  TEXT,
  seat_id                 TEXT,
  session                 TEXT,
  product                 TEXT NOT NULL,
  protocol                TEXT NOT NULL,
  model                   TEXT NOT NULL,
  stream                  INTEGER NOT NULL,
  funding                 TEXT NOT NULL CHECK (funding IN ('free', 'plan', 'balance')),
  state                   TEXT NOT NULL CHECK (state IN ('held', 'settled', 'released')),
  price_version           TEXT,
  weight_ppm              BIGINT NOT NULL,
  hold                    BIGINT NOT NULL CHECK (hold >= 0),
  cost                    BIGINT,
  charged                 BIGINT,
  outcome                 TEXT,
  policy_version          INTEGER,
  estimated               INTEGER NOT NULL DEFAULT 0,
  status                  INTEGER,
  error_code              TEXT,
  provider                TEXT,
  upstream_id             TEXT,
  attempts                INTEGER NOT NULL DEFAULT 0,
  input_tokens            BIGINT NOT NULL DEFAULT 0,
  cached_read_tokens      BIGINT NOT NULL DEFAULT 0,
  cache_write_5m_tokens   BIGINT NOT NULL DEFAULT 0,
  cache_write_1h_tokens   BIGINT NOT NULL DEFAULT 0,
  output_tokens           BIGINT NOT NULL DEFAULT 0,
  reasoning_tokens        BIGINT NOT NULL DEFAULT 0,
  created_at              BIGINT NOT NULL,
  first_byte_at           BIGINT,
  ended_at                BIGINT,
  CHECK ((charged IS NULL) = (state = 'held')),
  CHECK (charged IS NULL OR (charged >= 0 AND charged <= hold))
) /*sqlite WITHOUT ROWID*/;
CREATE INDEX request_held ON request (id) WHERE state = 'held';

-- What a request holds of, or counted against, each window of its plan.
CREATE TABLE request_window (
  request_id  TEXT NOT NULL,
  window_id   TEXT NOT NULL REFERENCES plan_window (id),
  held        BIGINT NOT NULL,
  counted     BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (request_id, window_id)
) /*sqlite WITHOUT ROWID*/;

CREATE TABLE attempt (
  request_id  TEXT NOT NULL,
  n           INTEGER NOT NULL,
  provider    TEXT NOT NULL,
  status      INTEGER,
  outcome     TEXT NOT NULL,
  started_at  BIGINT NOT NULL,
  ended_at    BIGINT NOT NULL,
  PRIMARY KEY (request_id, n)
) /*sqlite WITHOUT ROWID*/;

-- Rates are never changed under a version; audit recomputes charges from here.
CREATE TABLE price_version (
  version     TEXT PRIMARY KEY,
  rates       TEXT NOT NULL,
  created_at  BIGINT NOT NULL
);

-- Requests without a key, by keyed hash of the client address and UTC day.
CREATE TABLE anonymous_use (
  address_hash  TEXT NOT NULL,
  day           BIGINT NOT NULL,
  used          BIGINT NOT NULL,
  PRIMARY KEY (address_hash, day)
) /*sqlite WITHOUT ROWID*/;
