/**
 * Secrets at rest: AES-256-GCM (NIST SP 800-38D) in two layers. Each secret has a data key of its own; that key is
 * wrapped by a key-encryption key, so that a new one of those means to wrap again, not to encrypt again. Both layers
 * are bound to a context: text moved to another row does not open.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

export interface Sealer {
  /** `context` names what it belongs to, such as its table, row, workspace and provider. */
  seal(secret: string, context: readonly string[]): string
  /** @throws SealError when it was not sealed for this context, was changed, or its key is not known */
  open(sealed: string, context: readonly string[]): string
  /** The same secret under the newest key; the text itself when it is under that already. @throws SealError as `open` */
  rewrap(sealed: string, context: readonly string[]): string
  /** Names the key that `seal` uses. */
  readonly keyId: string
  /** What every text begins with that is sealed under that key. */
  readonly prefix: string
}

/** Says nothing of the secret, nor which part did not fit. */
export class SealError extends Error {
  override readonly name = 'SealError'
}

const VERSION = 'v1'
const NONCE_BYTES = 12
const TAG_BYTES = 16
const KEY_BYTES = 32

/** The first of `keys` seals; the others are older ones that still open. Each is any text of 32 or more random characters. */
export function createSealer(keys: readonly string[]): Sealer {
  const ring = keys.map((key) => ({
    id: Buffer.from(hkdfSync('sha256', key, '', 'zendo seal key id', 6)).toString('base64url'),
    key: Buffer.from(hkdfSync('sha256', key, '', 'zendo seal key', KEY_BYTES)),
  }))
  const [newest] = ring
  if (!newest) throw new Error('a sealer needs a key')

  function unwrap(sealed: string, context: readonly string[]): { dataKey: Buffer; content: string; keyId: string } {
    const [version, keyId, wrapped, content, more] = sealed.split('.')
    const known = ring.find(({ id }) => id === keyId)
    if (version !== VERSION || !known || !wrapped || !content || more !== undefined)
      throw new SealError('it cannot be opened')
    return { dataKey: decrypt(known.key, wrapped, ['key', ...context]), content, keyId: known.id }
  }

  return {
    keyId: newest.id,
    prefix: `${VERSION}.${newest.id}.`,
    seal(secret, context) {
      const dataKey = randomBytes(KEY_BYTES)
      const wrapped = encrypt(newest.key, dataKey, ['key', ...context])
      const content = encrypt(dataKey, Buffer.from(secret, 'utf8'), ['content', ...context])
      return [VERSION, newest.id, wrapped, content].join('.')
    },
    open(sealed, context) {
      const { dataKey, content } = unwrap(sealed, context)
      return decrypt(dataKey, content, ['content', ...context]).toString('utf8')
    },
    rewrap(sealed, context) {
      const { dataKey, content, keyId } = unwrap(sealed, context)
      if (keyId === newest.id) return sealed
      return [VERSION, newest.id, encrypt(newest.key, dataKey, ['key', ...context]), content].join('.')
    },
  }
}

function encrypt(key: Buffer, plain: Buffer, context: readonly string[]): string {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(aadOf(context))
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString('base64url')
}

function decrypt(key: Buffer, text: string, context: readonly string[]): Buffer {
  try {
    const bytes = Buffer.from(text, 'base64url')
    // One text for one secret: what a lenient reader would overlook was changed by somebody.
    if (bytes.toString('base64url') !== text) throw new SealError('it cannot be opened')
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
    decipher.setAAD(aadOf(context)).setAuthTag(bytes.subarray(-TAG_BYTES))
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()])
  } catch {
    throw new SealError('it cannot be opened')
  }
}

/** JSON, so that no two contexts run together. */
function aadOf(context: readonly string[]): Buffer {
  return Buffer.from(JSON.stringify(context))
}
