/**
 * Passwords: what may be one, and Argon2id (RFC 9106) in the PHC string format, with the parameters that OWASP's
 * password storage cheat sheet gives. Unicode is compared in NFKC (NIST SP 800-63B), so that keyboards do not matter.
 */
import { argon2, timingSafeEqual } from 'node:crypto'
import { AppError } from '../../base/errors.ts'
import type { RandomBytes } from '../instance.ts'

/** In characters, as people count them. */
const MIN_LENGTH = 12
const MAX_LENGTH = 256
const MEMORY_KIB = 19 * 1024
const PASSES = 2
const LANES = 1
const SALT_BYTES = 16
const TAG_BYTES = 32

/** Each takes a thread of the pool that also reads files and looks up names: others must get one. */
const MAX_RUNNING = 2
/** Who comes when so many wait is sent away: the wait would be longer than anybody's patience. */
const MAX_WAITING = 64

/** Long, and yet among the first that are tried. In lower case. */
const COMMON: ReadonlySet<string> = new Set([
  ...['123456789012', '1234567890123', '12345678901234', '123456789123', '123456123456', '123123123123'],
  ...[
    '111222333444',
    '987654321098',
    '012345678910',
    '0123456789012',
    '1q2w3e4r5t6y',
    '1qaz2wsx3edc',
    '1qaz2wsx3edc4rfv',
  ],
  ...['qwertyuiop12', 'qwertyuiop123', 'qwertyuiop[]', 'qwertyqwerty', 'qwerty123456', 'qwerty1234567', '123456qwerty'],
  ...['qwertyuiopasdf', 'qwertyuiopasdfghjkl', 'asdfghjkl123', 'asdfghjklqwertyuiop', 'zxcvbnm12345', 'azertyuiop12'],
  ...[
    'password1234',
    'password12345',
    'password123456',
    'password123!',
    'password1234!',
    'passwordpassword',
    'p@ssw0rd1234',
  ],
  ...[
    'p@ssword1234',
    'passw0rd1234',
    'mypassword12',
    'mypassword123',
    'thisismypassword',
    'changeme1234',
    'changemenow1',
  ],
  ...[
    'changemechangeme',
    'letmein12345',
    'letmeinletmein',
    'welcome12345',
    'welcome123456',
    'administrator',
    'administrator1',
  ],
  ...[
    'admin1234567',
    'admin12345678',
    'adminadminadmin',
    'administrator123',
    'iloveyou1234',
    'iloveyouforever',
    'iloveyou12345',
  ],
  ...[
    'abcdefghijkl',
    'abcdefghijklm',
    'abcdefghijklmnopqrstuvwxyz',
    'abcd12345678',
    'abc123456789',
    'abcabcabcabc',
    'a1b2c3d4e5f6',
  ],
  ...[
    'correcthorsebatterystaple',
    'correct horse battery staple',
    'sunshine1234',
    'princess1234',
    'football1234',
    'baseball1234',
  ],
  ...[
    'manchesterunited',
    'michaeljordan',
    'christopher1',
    'unknownunknown',
    'secretsecret',
    'supersecret1',
    'zendozendozendo',
  ],
])

/** @throws AppError invalid_request that says what is wrong with it */
export function checkNewPassword(password: string, whose: { readonly email: string; readonly name: string }): void {
  const text = password.normalize('NFKC')
  const length = [...text].length
  if (length < MIN_LENGTH) throw refuse(`must have at least ${MIN_LENGTH} characters; several words do well`)
  if (length > MAX_LENGTH) throw refuse(`must have at most ${MAX_LENGTH} characters`)
  const lower = text.toLowerCase()
  const own = [whose.email, whose.email.split('@')[0] ?? '', whose.name].map((part) =>
    part.normalize('NFKC').toLowerCase(),
  )
  if (own.includes(lower)) throw refuse('must not be your name or address')
  if (COMMON.has(lower) || new Set(lower).size === 1) throw refuse('is among those that are tried first; take another')
}

function refuse(reason: string): AppError {
  return new AppError('invalid_request', `The password ${reason}.`, { param: 'password' })
}

/** For storage. @throws AppError overloaded */
export async function hashPassword(password: string, randomBytes: RandomBytes): Promise<string> {
  const salt = Buffer.from(randomBytes(SALT_BYTES))
  const tag = await derive(password, salt)
  return `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$${phcText(salt)}$${phcText(tag)}`
}

/**
 * Whether it is the one that was stored; null where there is none, and then it works just as long for a no, so that
 * its time does not tell who has an account. @throws AppError overloaded
 */
export async function verifyPassword(password: string, stored: string | null): Promise<boolean> {
  const known = stored === null ? NOBODY : parsePhc(stored)
  const tag = await derive(password, known.salt)
  return timingSafeEqual(tag, known.tag) && stored !== null
}

interface Known {
  readonly salt: Buffer
  readonly tag: Buffer
}

const NOBODY: Known = { salt: Buffer.alloc(SALT_BYTES), tag: Buffer.alloc(TAG_BYTES) }
const PHC = new RegExp(`^\\$argon2id\\$v=19\\$m=${MEMORY_KIB},t=${PASSES},p=${LANES}\\$([\\w+/]{22})\\$([\\w+/]{43})$`)

function parsePhc(text: string): Known {
  const [, salt, tag] = PHC.exec(text) ?? []
  if (salt === undefined || tag === undefined)
    throw new Error('a stored password is not in the form that is written here')
  return { salt: Buffer.from(salt, 'base64'), tag: Buffer.from(tag, 'base64') }
}

/** Base64 without padding, as PHC has it. */
function phcText(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}

let running = 0
const waiting: (() => void)[] = []

async function derive(password: string, salt: Buffer): Promise<Buffer> {
  if (running >= MAX_RUNNING) await queueUp()
  else running++
  try {
    return await runArgon2(Buffer.from(password.normalize('NFKC'), 'utf8'), salt)
  } finally {
    // Whoever is next takes the place over.
    const next = waiting.shift()
    if (next) next()
    else running--
  }
}

function queueUp(): Promise<void> {
  if (waiting.length >= MAX_WAITING) {
    throw new AppError('overloaded', 'Too many are signing in at this moment. Try again in a second.', {
      retryAfterSeconds: 1,
    })
  }
  return new Promise((resolve) => waiting.push(resolve))
}

function runArgon2(message: Buffer, nonce: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    argon2(
      'argon2id',
      { message, nonce, parallelism: LANES, tagLength: TAG_BYTES, memory: MEMORY_KIB, passes: PASSES },
      (error, tag) => (error ? reject(error) : resolve(Buffer.from(tag))),
    )
  })
}
