/**
 * What an instance keeps: every table and column of its database, in words for people, and what lies beside it. The
 * statement that an instance gives of itself is made from this; a test compares it with the schema.
 */

export interface KeptTable {
  readonly about: string
  /** For how long, as a sentence. */
  readonly kept: string
  /** What the columns hold, and which these are, blank separated. */
  readonly fields: readonly (readonly [what: string, columns: string])[]
}

const FOR_GOOD = 'As long as the instance: it is part of its books.'
const WHILE_USED = 'Until it is changed or removed.'
const IDS = 'Names of the row and of what it belongs to'
const TIMES = 'When'

export const KEPT_TABLES: Readonly<Record<string, KeptTable>> = {
  request: {
    about: 'One row for each request to a model: who, when, which model, how much, how it ended. Never what was said.',
    kept: FOR_GOOD,
    fields: [
      ['Names of the row, of who asked and of what paid', 'id workspace_id member_id key_id seat_id account_id'],
      ['Labels that the client sends or the key has', 'session tags idempotency_key'],
      [
        'A keyed hash of the body, only with an Idempotency-Key, to tell a repetition from another request',
        'body_digest',
      ],
      ['What was asked for', 'product protocol model stream'],
      ['Who answered, where, with whose key', 'provider region credential_id upstream_id upstream_protocol attempts'],
      [
        'What paid and how much',
        'funding state price_version weight_ppm hold max_hold cost charged late_cost clamped_output',
      ],
      ['How it ended', 'outcome policy_version estimated status error_code warnings'],
      ['Counts of tokens of the prompt', 'input_tokens cached_read_tokens cache_write_5m_tokens cache_write_1h_tokens'],
      ['Counts of tokens of the answer', 'output_tokens reasoning_tokens'],
      [TIMES, 'created_at first_byte_at ended_at'],
      ['The process that took it, and that ended it', 'node_id ended_by'],
    ],
  },
  attempt: {
    about: 'Each try of a request at a provider.',
    kept: FOR_GOOD,
    fields: [
      [IDS, 'request_id n'],
      ['Where, and how it ended', 'provider status outcome'],
      [TIMES, 'started_at ended_at'],
    ],
  },
  request_meter: {
    about: 'What a request counted in a window or cap.',
    kept: FOR_GOOD,
    fields: [
      [IDS, 'request_id meter_id'],
      ['Amounts', 'held counted'],
    ],
  },
  meter: {
    about: 'A window or cap over one span of time.',
    kept: FOR_GOOD,
    fields: [
      [IDS, 'id workspace_id scope subject_id name kind'],
      [TIMES, 'starts_at ends_at'],
      ['Amounts, and of which share somebody was told', 'limit_amount settled held told'],
    ],
  },
  account: {
    about: 'Accounts of the ledger.',
    kept: FOR_GOOD,
    fields: [
      [IDS, 'id workspace_id kind'],
      ['Amounts, and of which share somebody was told', 'posted held credited told'],
      [TIMES, 'next_expiry_at'],
    ],
  },
  credit_grant: {
    about: 'Credit: where it came from and what is left of it.',
    kept: FOR_GOOD,
    fields: [
      [IDS, 'id workspace_id source priority'],
      ['Amounts', 'amount remaining used_before'],
      ['What whoever granted it wrote', 'note'],
      [TIMES, 'expires_at created_at'],
    ],
  },
  transfer: { about: 'Movements of money.', kept: FOR_GOOD, fields: [['What, and when', 'id kind created_at']] },
  entry: {
    about: 'The legs of each movement of money.',
    kept: FOR_GOOD,
    fields: [['Which account, which credit, how much', 'transfer_id leg account_id amount grant_id']],
  },
  price_version: {
    about: 'Every price that requests were charged at.',
    kept: FOR_GOOD,
    fields: [['The rates, and since when', 'version rates created_at']],
  },
  anonymous_use: {
    about: 'How many requests came without a key from an address.',
    kept: 'The day, in UTC; deleted within an hour after it.',
    fields: [
      ['A keyed hash of the address, never the address', 'address_hash'],
      ['The day, and how many', 'day used'],
    ],
  },
  workspace: {
    about: 'Workspaces.',
    kept: FOR_GOOD,
    fields: [
      ['Its name and calendar', 'id name time_zone week_start'],
      [TIMES, 'created_at blocked_at'],
    ],
  },
  workspace_policy: {
    about: 'What a workspace allows.',
    kept: WHILE_USED,
    fields: [['The terms', 'workspace_id curation zero_retention_only allow_training regions']],
  },
  workspace_model: {
    about: 'The models that its policy names.',
    kept: WHILE_USED,
    fields: [['Which', 'workspace_id model']],
  },
  member: {
    about: 'Who belongs to a workspace.',
    kept: 'As long as the instance: requests name their member, also when it was removed.',
    fields: [
      ['Who, where, as what', 'id workspace_id person_id name role mapped_by hand_role'],
      [TIMES, 'created_at removed_at'],
    ],
  },
  invite: {
    about: 'Invitations into a workspace.',
    kept: FOR_GOOD,
    fields: [
      ['Whom it is for, and as what', 'id workspace_id email role invited_by by_mail accepted_by'],
      ['The SHA-256 of its link', 'hash'],
      [TIMES, 'created_at expires_at accepted_at revoked_at'],
    ],
  },
  seat: {
    about: 'Who has a seat on which plan.',
    kept: FOR_GOOD,
    fields: [
      ['Whose, and how it is used', 'id workspace_id member_id plan_id use_balance'],
      [TIMES, 'started_at ended_at'],
    ],
  },
  plan_allowance: {
    about: 'How many seats a workspace may hand out.',
    kept: WHILE_USED,
    fields: [['How many', 'workspace_id plan_id seats']],
  },
  cap: {
    about: 'What a workspace, member or key may spend.',
    kept: WHILE_USED,
    fields: [['Whose, and how much', 'id workspace_id scope subject_id unit limit_amount created_at']],
  },
  api_key: {
    about: 'API keys.',
    kept: 'As long as the instance: requests name their key, also when it was revoked.',
    fields: [
      ['Whose, and what for', 'id workspace_id member_id name models products scopes tags'],
      ['The SHA-256 of its text, and of the one before a rotation', 'hash previous_hash'],
      ['How its text begins and ends', 'preview'],
      [TIMES, 'created_at expires_at previous_until revoked_at last_used_at'],
    ],
  },
  credential: {
    about: 'Provider keys that workspaces bring.',
    kept: WHILE_USED,
    fields: [
      ['Whose, for which provider, used how', 'id workspace_id provider mode base_url'],
      ['The key, sealed', 'sealed'],
      ['How it begins and ends', 'preview'],
      ['Whether it works, and when that was seen', 'checked_at last_error last_error_at'],
      [TIMES, 'created_at changed_at'],
    ],
  },
  person: {
    about: 'Everybody who can sign in.',
    kept: WHILE_USED,
    fields: [
      ['Who', 'id email name is_operator operator_by'],
      ['The password, hashed with Argon2id', 'password'],
      [TIMES, 'created_at disabled_at email_proved_at'],
    ],
  },
  identity: {
    about: 'With which accounts elsewhere somebody signs in.',
    kept: WHILE_USED,
    fields: [['The provider, and what that calls the person', 'issuer subject person_id created_at']],
  },
  passkey: {
    about: 'Passkeys.',
    kept: WHILE_USED,
    fields: [
      ['Whose, and what it is called', 'id person_id name'],
      ['Its public part', 'public_key counter transports'],
      [TIMES, 'created_at last_used_at'],
    ],
  },
  session: {
    about: 'Browsers that are signed in.',
    kept: 'Seven days longer than it can be used.',
    fields: [
      ['Whose, and how it began', 'id person_id method'],
      ['The SHA-256 of its cookie', 'hash'],
      [TIMES, 'created_at authenticated_at seen_at expires_at ended_at'],
    ],
  },
  challenge: {
    about: 'What somebody was given to bring back once, such as a code by mail.',
    kept: 'A day longer than it can be used.',
    fields: [
      ['The SHA-256 of what was given', 'hash'],
      ['What for, whose, what is needed to check it', 'purpose person_id payload tries'],
      [TIMES, 'created_at expires_at used_at'],
    ],
  },
  throttle: {
    about: 'Failures of sign-in in a row.',
    kept: 'Until 30 days after the last one at most.',
    fields: [
      ['A keyed hash of the account or address', 'subject'],
      ['How many, and until when no more is taken', 'failures blocked_until changed_at'],
    ],
  },
  audit_log: {
    about: 'Who changed what in the settings, and who was refused. No secret stands in it, not even sealed.',
    kept: FOR_GOOD,
    fields: [
      ['Who, where, by which request', 'seq id at actor_kind actor_id workspace_id request_id'],
      ['What, before and after', 'action target before after'],
      ['What makes a changed entry show', 'hash'],
    ],
  },
  kept_reply: {
    about: 'Answers of the control plane under an Idempotency-Key, without what is shown once.',
    kept: 'A day.',
    fields: [
      ['Whose, and which', 'principal name digest'],
      ['The answer', 'status body'],
      [TIMES, 'created_at'],
    ],
  },
  event: {
    about: 'Events for webhooks: that a limit was reached, that credit came or went.',
    kept: '90 days.',
    fields: [['Which, of whom, with amounts', 'id type workspace_id payload created_at']],
  },
  delivery: {
    about: 'Which receiver was told of which event.',
    kept: '90 days.',
    fields: [['How that went', 'event_id receiver state tries next_at last_error']],
  },
  setting: {
    about: 'Settings of the instance that were changed at run time, and the name of the master key that it is under.',
    kept: WHILE_USED,
    fields: [['Which, and since when', 'name value changed_at']],
  },
  node: {
    about: 'Processes of the gateway.',
    kept: FOR_GOOD,
    fields: [['Which, and since when', 'id place beat started_at ended_at']],
  },
  revision: {
    about: 'Counters by which processes notice changes.',
    kept: WHILE_USED,
    fields: [['Which', 'name value']],
  },
  migration: {
    about: 'Which versions of this schema were applied.',
    kept: FOR_GOOD,
    fields: [['Which, and when', 'version name checksum applied_at']],
  },
}

/** What lies beside the database. */
export const KEPT_ELSEWHERE: readonly { readonly what: string; readonly where: string; readonly kept: string }[] = [
  {
    what: 'Ends of requests that the database could not take at once: names, counts and amounts, as in the table request',
    where: 'the data directory (spill)',
    kept: 'Until the database has them.',
  },
  {
    what: 'Log lines: names of requests, models and providers, statuses and reasons; no prompt, no answer, no key, no address',
    where: 'the output of the process',
    kept: 'As whoever runs the instance keeps it.',
  },
  {
    what: 'Thoughts and signatures that a vendor wants back in the next turn, per key and session',
    where: 'memory',
    kept: 'Bounded in number and age; gone with the process.',
  },
  {
    what: 'Backups, which hold what the database holds',
    where: 'where whoever runs the instance puts them',
    kept: 'As whoever runs the instance keeps them.',
  },
]

/** Where secrets are, and in which form. */
export const SECRETS: readonly { readonly what: string; readonly where: string; readonly form: string }[] = [
  { what: 'API keys', where: 'api_key', form: 'SHA-256; the text is shown once and kept nowhere' },
  { what: 'Cookies, links and codes', where: 'session, challenge, invite', form: 'SHA-256' },
  { what: 'Passwords', where: 'person', form: 'Argon2id' },
  {
    what: 'Provider keys of workspaces',
    where: 'credential',
    form: 'AES-256-GCM, sealed for their row under a key that is not in the database',
  },
  {
    what: "The operator's provider keys",
    where: 'environment or files, as the configuration says',
    form: 'as the operator keeps them; never in the database',
  },
  {
    what: 'What the instance seals and hashes with',
    where: 'secrets.json in the data directory, or ZENDO_MASTER_KEY',
    form: 'readable by the account that runs it alone',
  },
]
