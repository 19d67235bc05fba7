-- People and what they may: sign-in, workspaces with members, keys with limits, policies, own provider keys, and a
-- record of every privileged change. Texts that are secrets stand here only as hashes, or sealed.

CREATE TABLE person (
  id           TEXT PRIMARY KEY,
  -- Lower case; who signs in is found by it.
  email        TEXT NOT NULL UNIQUE,
  name         TEXT NOT NULL,
  -- Runs the instance: sees every workspace, and alone may make some.
  is_operator  INTEGER NOT NULL DEFAULT 0 CHECK (is_operator IN (0, 1)),
  -- Argon2id in the PHC string format; null for who signs in otherwise.
  password     TEXT,
  disabled_at  BIGINT,
  created_at   BIGINT NOT NULL,
  -- The issuer whose role map made it an operator, and may take that back; null: somebody here did.
  operator_by  TEXT,
  -- When somebody first showed that the mail of the address is its own; null: whoever made the account only said so.
  email_proved_at  BIGINT
);

-- An account at a provider of identities: its issuer and what that calls the person, never an e-mail address.
CREATE TABLE identity (
  issuer      TEXT NOT NULL,
  subject     TEXT NOT NULL,
  person_id   TEXT NOT NULL REFERENCES person (id),
  created_at  BIGINT NOT NULL,
  PRIMARY KEY (issuer, subject)
);
CREATE INDEX identity_of_person ON identity (person_id);

CREATE TABLE passkey (
  -- The credential id that the authenticator chose, base64url.
  id            TEXT PRIMARY KEY,
  person_id     TEXT NOT NULL REFERENCES person (id),
  name          TEXT NOT NULL,
  public_key    TEXT NOT NULL,
  counter       BIGINT NOT NULL,
  transports    TEXT NOT NULL,
  created_at    BIGINT NOT NULL,
  last_used_at  BIGINT
);
CREATE INDEX passkey_of_person ON passkey (person_id);

-- A browser that is signed in. Only the SHA-256 of what its cookie holds is stored.
CREATE TABLE session (
  id                TEXT PRIMARY KEY,
  hash              TEXT NOT NULL UNIQUE,
  person_id         TEXT NOT NULL REFERENCES person (id),
  method            TEXT NOT NULL CHECK (method IN ('setup', 'password', 'passkey', 'email', 'oidc', 'invite')),
  created_at        BIGINT NOT NULL,
  -- When the person last proved who it is: sensitive changes want that to be recent.
  authenticated_at  BIGINT NOT NULL,
  seen_at           BIGINT NOT NULL,
  expires_at        BIGINT NOT NULL,
  ended_at          BIGINT
);
CREATE INDEX session_of_person ON session (person_id);

-- What somebody was given to bring back once: a set-up link, a code by e-mail, the state of a sign-in elsewhere.
CREATE TABLE challenge (
  -- SHA-256 of what was given.
  hash        TEXT PRIMARY KEY,
  purpose     TEXT NOT NULL CHECK (purpose IN ('setup', 'email_code', 'password_reset', 'oidc', 'passkey_sign_in', 'passkey_add')),
  person_id   TEXT REFERENCES person (id),
  -- What is needed to check it, as JSON; secrets in it are sealed.
  payload     TEXT NOT NULL,
  tries       INTEGER NOT NULL DEFAULT 0,
  created_at  BIGINT NOT NULL,
  expires_at  BIGINT NOT NULL,
  used_at     BIGINT
);
CREATE INDEX challenge_by_age ON challenge (expires_at);

-- Failures of sign-in in a row, by a keyed hash of the account or address they were for.
CREATE TABLE throttle (
  subject        TEXT PRIMARY KEY,
  failures       BIGINT NOT NULL,
  blocked_until  BIGINT NOT NULL,
  changed_at     BIGINT NOT NULL
);

ALTER TABLE workspace ADD COLUMN blocked_at BIGINT;
ALTER TABLE member ADD COLUMN person_id TEXT REFERENCES person (id);
ALTER TABLE member ADD COLUMN removed_at BIGINT;
-- The issuer whose role map gave the membership, and may change and end it; null: somebody here did.
ALTER TABLE member ADD COLUMN mapped_by TEXT;
-- The role that somebody here gave before a role map raised it, and that comes back when the groups go.
ALTER TABLE member ADD COLUMN hand_role TEXT;
CREATE UNIQUE INDEX member_of_person ON member (workspace_id, person_id) WHERE person_id IS NOT NULL AND removed_at IS NULL;
CREATE INDEX member_by_person ON member (person_id);
CREATE INDEX member_of_workspace ON member (workspace_id, id);
CREATE INDEX seat_of_workspace ON seat (workspace_id, id);
CREATE INDEX workspace_of_key ON api_key (workspace_id, id);

CREATE TABLE invite (
  id            TEXT PRIMARY KEY,
  workspace_id  TEXT NOT NULL REFERENCES workspace (id),
  hash          TEXT NOT NULL UNIQUE,
  -- Whom it is for; null: whoever has the link.
  email         TEXT,
  role          TEXT NOT NULL CHECK (role IN ('admin', 'member')),
  invited_by    TEXT NOT NULL,
  -- Whether the link went to the address by mail and was shown to nobody: who has it reads the mail there.
  by_mail       INTEGER NOT NULL DEFAULT 0 CHECK (by_mail IN (0, 1)),
  created_at    BIGINT NOT NULL,
  expires_at    BIGINT NOT NULL,
  accepted_at   BIGINT,
  accepted_by   TEXT REFERENCES person (id),
  revoked_at    BIGINT
);
CREATE INDEX invite_of_workspace ON invite (workspace_id, id);

ALTER TABLE api_key ADD COLUMN expires_at BIGINT;
-- Model ids and products it may call, as JSON arrays; null: all that its owner may.
ALTER TABLE api_key ADD COLUMN models TEXT;
ALTER TABLE api_key ADD COLUMN products TEXT;
-- What it may be used for, as a JSON array: inference, read, manage.
ALTER TABLE api_key ADD COLUMN scopes TEXT NOT NULL DEFAULT '["inference"]';
ALTER TABLE api_key ADD COLUMN tags TEXT;
ALTER TABLE api_key ADD COLUMN last_used_at BIGINT;
-- The secret that it had before it was rotated, and until when that is still taken.
ALTER TABLE api_key ADD COLUMN previous_hash TEXT;
ALTER TABLE api_key ADD COLUMN previous_until BIGINT;
CREATE UNIQUE INDEX api_key_previous ON api_key (previous_hash);

-- Which models a workspace may call, and under which terms. A workspace without a row has the defaults.
CREATE TABLE workspace_policy (
  workspace_id         TEXT PRIMARY KEY REFERENCES workspace (id),
  -- all_except: new models are on; only: new models are off.
  curation             TEXT NOT NULL DEFAULT 'all_except' CHECK (curation IN ('all_except', 'only')),
  zero_retention_only  INTEGER NOT NULL DEFAULT 0 CHECK (zero_retention_only IN (0, 1)),
  allow_training       INTEGER NOT NULL DEFAULT 0 CHECK (allow_training IN (0, 1)),
  -- A JSON array; null: any region.
  regions              TEXT
);
CREATE TABLE workspace_model (
  workspace_id  TEXT NOT NULL REFERENCES workspace (id),
  model         TEXT NOT NULL,
  PRIMARY KEY (workspace_id, model)
);

-- A workspace's own key for a provider, sealed for this row alone.
CREATE TABLE credential (
  id             TEXT PRIMARY KEY,
  workspace_id   TEXT NOT NULL REFERENCES workspace (id),
  provider       TEXT NOT NULL,
  mode           TEXT NOT NULL CHECK (mode IN ('own_only', 'own_first', 'shared_only')),
  base_url       TEXT,
  sealed         TEXT NOT NULL,
  preview        TEXT NOT NULL,
  created_at     BIGINT NOT NULL,
  changed_at     BIGINT NOT NULL,
  checked_at     BIGINT,
  last_error     TEXT,
  last_error_at  BIGINT
);
CREATE UNIQUE INDEX credential_of_provider ON credential (workspace_id, provider);

-- How many seats of a plan the operator lets a workspace's admins hand out.
CREATE TABLE plan_allowance (
  workspace_id  TEXT NOT NULL REFERENCES workspace (id),
  plan_id       TEXT NOT NULL,
  seats         BIGINT NOT NULL CHECK (seats >= 0),
  PRIMARY KEY (workspace_id, plan_id)
);

-- Settings changed at run time; the configuration file and the environment win over them.
CREATE TABLE setting (
  name        TEXT PRIMARY KEY,
  value       TEXT NOT NULL,
  changed_at  BIGINT NOT NULL
);

-- Answers of writes that named an Idempotency-Key, without what is shown only once.
CREATE TABLE kept_reply (
  principal   TEXT NOT NULL,
  name        TEXT NOT NULL,
  digest      TEXT NOT NULL,
  status      INTEGER,
  body        TEXT,
  created_at  BIGINT NOT NULL,
  PRIMARY KEY (principal, name)
);
CREATE INDEX kept_reply_by_age ON kept_reply (created_at);

-- Every privileged change: who, what, before and after. Each entry's hash covers the one before it, under a key that is
-- not in the database: an entry that was changed, left out or put in does not fit.
CREATE TABLE audit_log (
  seq           BIGINT PRIMARY KEY,
  id            TEXT NOT NULL UNIQUE,
  at            BIGINT NOT NULL,
  actor_kind    TEXT NOT NULL,
  actor_id      TEXT,
  workspace_id  TEXT,
  action        TEXT NOT NULL,
  target        TEXT,
  before        TEXT,
  after         TEXT,
  request_id    TEXT,
  hash          TEXT NOT NULL
);
CREATE INDEX audit_log_of_workspace ON audit_log (workspace_id, seq);
INSERT INTO revision (name, value) VALUES ('audit_log', 0);

-- Requests that a workspace's own key pays for, and with which one.
/*sqlite
CREATE TABLE request_4 (
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
  funding                 TEXT NOT NULL CHECK (funding IN ('free', 'plan', 'balance', 'byok')),
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
  upstream_protocol       TEXT,
  warnings                TEXT,
  node_id                 TEXT,
  ended_by                TEXT,
  account_id              TEXT,
  max_hold                BIGINT,
  clamped_output          BIGINT,
  idempotency_key         TEXT,
  body_digest             TEXT,
  tags                    TEXT,
  late_cost               BIGINT,
  CHECK ((charged IS NULL) = (state = 'held')),
  CHECK (charged IS NULL OR (charged >= 0 AND charged <= hold))
) WITHOUT ROWID;
INSERT INTO request_4 SELECT * FROM request;
DROP TABLE request;
ALTER TABLE request_4 RENAME TO request;
CREATE INDEX request_held ON request (id) WHERE state = 'held';
CREATE UNIQUE INDEX request_idempotency ON request (workspace_id, idempotency_key)
  WHERE idempotency_key IS NOT NULL AND state <> 'released';
CREATE INDEX request_of_workspace ON request (workspace_id, id);
CREATE TRIGGER audit_log_is_kept BEFORE UPDATE ON audit_log BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_log_stays BEFORE DELETE ON audit_log BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
*/
/*postgres
ALTER TABLE request DROP CONSTRAINT request_funding_check;
ALTER TABLE request ADD CONSTRAINT request_funding_check CHECK (funding IN ('free', 'plan', 'balance', 'byok'));
CREATE TRIGGER audit_log_is_kept BEFORE UPDATE OR DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION refuse_change();
*/
-- The workspace's own credential that was used; null where the operator's was.
ALTER TABLE request ADD COLUMN credential_id TEXT;
-- Where it was processed, as its provider said then.
ALTER TABLE request ADD COLUMN region TEXT;
