/**
 * An authenticator in software: makes the registrations and assertions of WebAuthn Level 3 as a browser would hand them
 * on, with ES256 keys and no attestation, and lies wherever a test tells it to.
 */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import type {
  AuthenticationResponse,
  CreationOptions,
  RegistrationResponse,
  RequestOptions,
} from '../../src/contract/passkeys.ts'

/** What is other than an honest browser and authenticator would have it. */
export interface Lies {
  readonly origin?: string
  readonly rpId?: string
  readonly challenge?: string
  /** What the client data says that it is for. */
  readonly type?: string
  readonly crossOrigin?: boolean
  readonly isUserVerified?: boolean
  readonly isUserPresent?: boolean
  /** In place of the next one. */
  readonly counter?: number
  /** The id of another credential than the one that signs. */
  readonly credentialId?: string
  /** Null: none. */
  readonly userHandle?: string | null
  /** - `self`: signed by the passkey itself; - `maker`: by who made the authenticator, in U2F's way, and all of it right. */
  readonly attestation?: 'self' | 'maker'
  /** Signs with another key. */
  readonly key?: KeyObject
}

export interface Authenticator {
  /** Base64url. */
  readonly credentialId: string
  create(options: CreationOptions, lies?: Lies): RegistrationResponse
  get(options: RequestOptions, lies?: Lies): AuthenticationResponse
}

export interface AuthenticatorOptions {
  /** Of the page: `https://zendo.example`. */
  readonly origin: string
  /** False: says 0 for ever, as synchronised passkeys do. */
  readonly counts?: boolean
  readonly credentialIdBytes?: number
}

/** One with room for one passkey. */
export function makeAuthenticator({
  origin,
  counts = true,
  credentialIdBytes = 32,
}: AuthenticatorOptions): Authenticator {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const id = randomBytes(credentialIdBytes)
  const credentialId = id.toString('base64url')
  let counter = 0
  let userHandle: string | null = null

  function authenticatorData(rpId: string, lies: Lies, attested: Buffer): Buffer {
    if (counts) counter++
    const flags =
      (lies.isUserPresent === false ? 0 : 0x01) |
      (lies.isUserVerified === false ? 0 : 0x04) |
      (attested.length > 0 ? 0x40 : 0)
    const count = Buffer.alloc(4)
    count.writeUInt32BE(lies.counter ?? counter)
    return Buffer.concat([sha256(lies.rpId ?? rpId), Buffer.from([flags]), count, attested])
  }

  function clientData(type: string, challenge: string, lies: Lies): Buffer {
    const { crossOrigin = false } = lies
    return Buffer.from(
      JSON.stringify({
        ...{ type: lies.type ?? type, challenge: lies.challenge ?? challenge },
        ...{ origin: lies.origin ?? origin, crossOrigin },
      }),
    )
  }

  return {
    credentialId,
    create({ challenge, rp, user }, lies = {}) {
      userHandle = user.id
      const length = Buffer.alloc(2)
      length.writeUInt16BE(id.length)
      const attested = Buffer.concat([Buffer.alloc(16), length, id, coseKey(publicKey)])
      const authData = authenticatorData(rp.id, lies, attested)
      const client = clientData('webauthn.create', challenge, lies)
      const about = { authData, clientHash: sha256(client), id, publicKey }
      const attestationObject = cbor(
        new Map<string, Cbor>([...statementOf(lies.attestation, about, privateKey), ['authData', authData]]),
      )
      return {
        ...{ id: lies.credentialId ?? credentialId, rawId: lies.credentialId ?? credentialId, type: 'public-key' },
        clientExtensionResults: {},
        response: {
          clientDataJSON: client.toString('base64url'),
          attestationObject: attestationObject.toString('base64url'),
          transports: ['internal'],
        },
      }
    },
    get({ challenge, rpId }, lies = {}) {
      const authData = authenticatorData(rpId, lies, Buffer.alloc(0))
      const client = clientData('webauthn.get', challenge, lies)
      const signature = sign('sha256', Buffer.concat([authData, sha256(client)]), lies.key ?? privateKey)
      const handle = lies.userHandle === undefined ? userHandle : lies.userHandle
      return {
        ...{ id: lies.credentialId ?? credentialId, rawId: lies.credentialId ?? credentialId, type: 'public-key' },
        clientExtensionResults: {},
        response: {
          clientDataJSON: client.toString('base64url'),
          authenticatorData: authData.toString('base64url'),
          signature: signature.toString('base64url'),
          ...(handle !== null && { userHandle: handle }),
        },
      }
    },
  }
}

interface Attested {
  readonly authData: Buffer
  readonly clientHash: Buffer
  readonly id: Buffer
  readonly publicKey: KeyObject
}

function statementOf(
  kind: Lies['attestation'],
  { authData, clientHash, id, publicKey }: Attested,
  privateKey: KeyObject,
): [string, Cbor][] {
  if (kind === undefined)
    return [
      ['fmt', 'none'],
      ['attStmt', new Map()],
    ]
  if (kind === 'self') {
    const sig = sign('sha256', Buffer.concat([authData, clientHash]), privateKey)
    return [
      ['fmt', 'packed'],
      [
        'attStmt',
        new Map<string, Cbor>([
          ['alg', -7],
          ['sig', sig],
        ]),
      ],
    ]
  }
  const maker = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { x, y } = pointOf(publicKey)
  const base = Buffer.concat([Buffer.from([0]), authData.subarray(0, 32), clientHash, id, Buffer.from([4]), x, y])
  const sig = sign('sha256', base, maker.privateKey)
  return [
    ['fmt', 'fido-u2f'],
    [
      'attStmt',
      new Map<string, Cbor>([
        ['x5c', [certificateOf(maker)]],
        ['sig', sig],
      ]),
    ],
  ]
}

/** RFC 5280: nobody's certificate, signed by itself. */
function certificateOf({
  publicKey,
  privateKey,
}: {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}): Buffer {
  const algorithm = der(0x30, Buffer.from('06082a8648ce3d040302', 'hex'))
  const validity = der(0x30, der(0x17, Buffer.from('200101000000Z')), der(0x17, Buffer.from('490101000000Z')))
  const nobody = der(0x30)
  const head = [
    der(0xa0, Buffer.from('020102', 'hex')),
    Buffer.from('020101', 'hex'),
    algorithm,
    nobody,
    validity,
    nobody,
  ]
  const content = der(0x30, ...head, publicKey.export({ type: 'spki', format: 'der' }))
  const signature = der(0x03, Buffer.from([0]), sign('sha256', content, privateKey))
  return der(0x30, content, algorithm, signature)
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

function sha256(data: string | Buffer): Buffer {
  return createHash('sha256').update(data).digest()
}

/** RFC 9053, 7.1.1: a point on P-256, for ES256. */
function coseKey(key: KeyObject): Buffer {
  const { x, y } = pointOf(key)
  return cbor(
    new Map<number, Cbor>([
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, x],
      [-3, y],
    ]),
  )
}

function pointOf(key: KeyObject): { readonly x: Buffer; readonly y: Buffer } {
  const { x = '', y = '' } = key.export({ format: 'jwk' })
  return { x: Buffer.from(x, 'base64url'), y: Buffer.from(y, 'base64url') }
}

type Cbor = number | string | Buffer | readonly Cbor[] | ReadonlyMap<number | string, Cbor>

/** RFC 8949, what WebAuthn needs of it. */
function cbor(value: Cbor): Buffer {
  if (typeof value === 'number') return value >= 0 ? head(0, value) : head(1, -1 - value)
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)])
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value])
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(cbor)])
  const entries = [...(value as ReadonlyMap<number | string, Cbor>)]
  return Buffer.concat([head(5, entries.length), ...entries.flatMap(([key, item]) => [cbor(key), cbor(item)])])
}

function head(kind: number, count: number): Buffer {
  if (count < 24) return Buffer.from([(kind << 5) | count])
  if (count < 256) return Buffer.from([(kind << 5) | 24, count])
  return Buffer.from([(kind << 5) | 25, count >> 8, count & 0xff])
}
