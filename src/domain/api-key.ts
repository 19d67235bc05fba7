/** The form of API keys: `sk-zendo-`, 160 random bits, and a checksum that refuses typing errors before any look-up. */
import { hash } from 'node:crypto'
import { crc32 } from 'node:zlib'

const PREFIX = 'sk-zendo-'
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZabcdefghjkmnpqrstvwxyz'
const RANDOM_BYTES = 20
const BODY_LENGTH = 28
const CHECK_LENGTH = 6
const KEY_FORM = /^sk-zendo-[0-9A-Za-z]{34}$/

/** The public name of "no key": clients of the public service send it when they have none. */
export const ANONYMOUS_KEY = 'public'

/** Makes a key from 20 random bytes. */
export function formatKey(random: Uint8Array): string {
  if (random.length !== RANDOM_BYTES) throw new RangeError(`a key takes ${RANDOM_BYTES} random bytes`)
  let bits = 0n
  for (const byte of random) bits = (bits << 8n) | BigInt(byte)
  const body = encode(bits, BODY_LENGTH)
  return PREFIX + body + checksum(body)
}

/** Whether a text can be a key at all; says nothing of whether it is one. */
export function isWellFormedKey(text: string): boolean {
  if (!KEY_FORM.test(text)) return false
  const body = text.slice(PREFIX.length, -CHECK_LENGTH)
  return checksum(body) === text.slice(-CHECK_LENGTH)
}

/** What is stored of a key, and what it is found by. */
export function hashKey(key: string): string {
  return hash('sha256', key, 'hex')
}

/** What lists show of a key. */
export function previewKey(key: string): string {
  return `${key.slice(0, PREFIX.length + 4)}…${key.slice(-4)}`
}

function checksum(body: string): string {
  return encode(BigInt(crc32(PREFIX + body)), CHECK_LENGTH)
}

function encode(value: bigint, length: number): string {
  const base = BigInt(ALPHABET.length)
  let rest = value
  let text = ''
  for (let i = 0; i < length; i++) {
    text = ALPHABET[Number(rest % base)] + text
    rest /= base
  }
  return text
}
