/** Identifiers: a prefix that names the kind, 48 bits of time and 80 random bits, so that ids sort by age. */
import { randomFillSync } from 'node:crypto'

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const RANDOM_BYTES = 10
const pool = Buffer.alloc(4096)
let poolUsed = pool.length

export type IdPrefix =
  | ('req' | 'key' | 'wrk' | 'mem' | 'seat' | 'grant' | 'acc' | 'node' | 'cap')
  | ('per' | 'ses' | 'inv' | 'cred' | 'aud')

/** `req_` and 26 characters of Crockford's base 32: ten of time, sixteen random. */
export function newId(prefix: IdPrefix, nowMs: number): string {
  let time = nowMs
  let text = ''
  for (let i = 0; i < 10; i++) {
    text = ALPHABET[time % 32] + text
    time = Math.floor(time / 32)
  }
  if (poolUsed + RANDOM_BYTES > pool.length) {
    randomFillSync(pool)
    poolUsed = 0
  }
  let bits = 0
  let held = 0
  for (let i = 0; i < RANDOM_BYTES; i++) {
    held = (held << 8) | (pool[poolUsed++] as number)
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += ALPHABET[(held >> bits) & 31]
    }
    held &= (1 << bits) - 1
  }
  return `${prefix}_${text}`
}
