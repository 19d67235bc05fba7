/**
 * Seals on what an upstream signed: they tell, when a client gives it back, which account can read it.
 *
 * A seal is `zendo.<p><account>.<kind>.<payload>`: p the protocol's letter, account a tag of the provider, payload the
 * upstream's own text untouched. What a client relays in its own protocol carries none.
 */
import type { Protocol } from '../../base/words.ts'
import type { Mint } from '../ir/block.ts'

/** `signature`: of a thinking block. `redacted`: the data of a redacted one. `bundle`: whole blocks, see `bundle.ts`. */
export type SealKind = 'signature' | 'redacted' | 'bundle'

export interface Sealed {
  readonly mint: Mint
  readonly kind: SealKind
  readonly payload: string
}

const SEAL_PREFIX = 'zendo.'

const LETTERS: Readonly<Record<Protocol, string>> = {
  'openai-chat': 'c',
  'openai-responses': 'r',
  'anthropic-messages': 'm',
  'google-generate': 'g',
}
const PROTOCOL_OF = new Map(Object.entries(LETTERS).map(([protocol, letter]) => [letter, protocol as Protocol]))
const KIND_LETTERS: Readonly<Record<SealKind, string>> = { signature: 's', redacted: 'r', bundle: 'b' }
const KIND_OF = new Map(Object.entries(KIND_LETTERS).map(([kind, letter]) => [letter, kind as SealKind]))

const SEAL = /^zendo\.([crmg])([0-9a-z]*)\.([srb])\./

export function seal(mint: Mint, kind: SealKind, payload: string): string {
  return `${SEAL_PREFIX}${LETTERS[mint.protocol]}${mint.account ?? ''}.${KIND_LETTERS[kind]}.${payload}`
}

/** Null when the text carries no seal. */
export function openSeal(text: string): Sealed | null {
  const match = SEAL.exec(text)
  if (!match) return null
  const [head, letter, account, kind] = match
  return {
    mint: {
      protocol: PROTOCOL_OF.get(letter as string) as Protocol,
      account: account === '' ? null : (account as string),
    },
    kind: KIND_OF.get(kind as string) as SealKind,
    payload: text.slice(head.length),
  }
}

/** The same for wires whose signatures must be base64 (Google's are bytes). */
export function sealBase64(mint: Mint, kind: SealKind, payload: string): string {
  return Buffer.from(seal(mint, kind, payload)).toString('base64')
}

/** The beginning of `zendo.` in base64: what does not start so is no seal of ours. */
const BASE64_PREFIX = Buffer.from(SEAL_PREFIX).toString('base64')

export function openSealBase64(text: string): Sealed | null {
  return text.startsWith(BASE64_PREFIX) ? openSeal(Buffer.from(text, 'base64').toString()) : null
}

/** Whether an upstream may be sent what `mint` made. Without an account, whoever speaks the protocol is taken for it. */
export function isMintedBy(mint: Mint | null, protocol: Protocol, account: string): boolean {
  return mint !== null && mint.protocol === protocol && (mint.account === null || mint.account === account)
}

const SEAL_BYTES = Buffer.from(SEAL_PREFIX)
const SEAL_BASE64_BYTES = Buffer.from(BASE64_PREFIX)
const LONGEST_HEAD = 40

/** Whether a body may hold a seal: words that only begin like one (`zendo.jsonc`) are none. */
export function holdsSeal(body: Buffer): boolean {
  if (body.includes(SEAL_BASE64_BYTES)) return true
  for (let at = body.indexOf(SEAL_BYTES); at >= 0; at = body.indexOf(SEAL_BYTES, at + 1)) {
    if (SEAL.test(body.toString('latin1', at, at + LONGEST_HEAD))) return true
  }
  return false
}
