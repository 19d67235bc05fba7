/**
 * Where each protocol has its single-valued settings, and how they are read and written by that table.
 *
 * Sources: OpenAI "Create chat completion" and "Create a model response", Anthropic "Create a Message", Google
 * "GenerateContentRequest" and "GenerationConfig". `docs/reference/translation.md` is generated from the same table.
 */
import { AppError } from '../../base/errors.ts'
import type { Protocol } from '../../base/words.ts'
import type { Warning } from '../codec.ts'
import type { IrSettings } from '../ir/request.ts'
import { asObject, type WireObject } from '../wire-value.ts'

type Kind = 'number' | 'integer' | 'string' | 'boolean' | 'object' | 'strings'

export interface SettingPlace {
  readonly kind: Kind
  /** Path in the body; null where the protocol has no such setting: there it is dropped, and disclosed. */
  readonly place: Readonly<Record<Protocol, string | null>>
}

export const SETTINGS: Readonly<Record<keyof IrSettings, SettingPlace>> = {
  temperature: place('number', 'temperature', 'temperature', 'temperature', 'generationConfig.temperature'),
  topP: place('number', 'top_p', 'top_p', 'top_p', 'generationConfig.topP'),
  topK: place('integer', null, null, 'top_k', 'generationConfig.topK'),
  seed: place('integer', 'seed', null, null, 'generationConfig.seed'),
  presencePenalty: place('number', 'presence_penalty', null, null, 'generationConfig.presencePenalty'),
  frequencyPenalty: place('number', 'frequency_penalty', null, null, 'generationConfig.frequencyPenalty'),
  stop: place('strings', 'stop', null, 'stop_sequences', 'generationConfig.stopSequences'),
  endUser: place('string', 'safety_identifier', 'safety_identifier', 'metadata.user_id', null),
  metadata: place('object', 'metadata', 'metadata', null, 'labels'),
  promptCacheKey: place('string', 'prompt_cache_key', 'prompt_cache_key', null, null),
  serviceTier: place('string', 'service_tier', 'service_tier', 'service_tier', 'serviceTier'),
  store: place('boolean', 'store', 'store', null, 'store'),
  verbosity: place('string', 'verbosity', 'text.verbosity', null, null),
}

function place(
  kind: Kind,
  chat: string | null,
  responses: string | null,
  messages: string | null,
  google: string | null,
): SettingPlace {
  return {
    kind,
    place: {
      'openai-chat': chat,
      'openai-responses': responses,
      'anthropic-messages': messages,
      'google-generate': google,
    },
  }
}

/** The settings of a body. Null counts as absent. @throws AppError invalid_request for a value of the wrong kind. */
export function decodeSettings(protocol: Protocol, body: WireObject): IrSettings {
  const settings: Record<string, unknown> = {}
  for (const [name, { kind, place }] of Object.entries(SETTINGS)) {
    const path = place[protocol]
    const value = path === null ? undefined : valueAt(body, path)
    if (value === undefined || value === null || path === null) continue
    settings[name] = checked(kind, value, path)
  }
  return settings as IrSettings
}

function checked(kind: Kind, value: unknown, path: string): unknown {
  switch (kind) {
    case 'number':
      if (typeof value === 'number') return value
      break
    case 'integer':
      if (Number.isInteger(value)) return value
      break
    case 'string':
    case 'boolean':
      if (typeof value === kind) return value
      break
    case 'object':
      if (asObject(value)) return value
      break
    case 'strings':
      // Chat takes one sequence without a list.
      if (typeof value === 'string') return [value]
      if (Array.isArray(value) && value.every((entry) => typeof entry === 'string')) return value
      break
  }
  throw new AppError('invalid_request', `"${path}" must be ${WORDS[kind]}.`, { param: path })
}

const WORDS: Readonly<Record<Kind, string>> = {
  number: 'a number',
  integer: 'a whole number',
  string: 'a string',
  boolean: 'true or false',
  object: 'an object',
  strings: 'a list of strings',
}

/** Values that are the vendor's own default, so that leaving them out loses nothing. */
const HARMLESS: Readonly<Partial<Record<keyof IrSettings, unknown>>> = { store: false, serviceTier: 'auto' }
/**
 * Sent in another protocol only to the vendor whose words they are: a tier is priced by it, and compatible vendors
 * refuse bodies for members that they do not know.
 */
const OWN_VENDOR_ONLY: ReadonlySet<string> = new Set([
  'endUser',
  'metadata',
  'promptCacheKey',
  'serviceTier',
  'store',
  'verbosity',
])

export interface SettingsTarget {
  readonly source: Protocol
  readonly target: Protocol
  /** Quirks `dropSettings`: what this upstream refuses. */
  readonly drop: readonly string[]
  /** Quirks `ownVendor`. */
  readonly ownVendor: boolean
}

/**
 * Writes settings into a body that is being built (objects on the path are made when missing). Returns a warning, with
 * the source's name of the field, for each that the target does not take.
 */
export function encodeSettings(
  settings: IrSettings,
  { source, target, drop, ownVendor }: SettingsTarget,
  body: Record<string, unknown>,
): Warning[] {
  const warnings: Warning[] = []
  for (const [name, value] of Object.entries(settings) as [keyof IrSettings, unknown][]) {
    const { place } = SETTINGS[name]
    const path = place[target]
    const isKnown = source === target || (ownVendor && vendorOf(source) === vendorOf(target))
    const isForeign = OWN_VENDOR_ONLY.has(name) && !isKnown
    if (path !== null && !isForeign && !drop.includes(name)) setAt(body, path, value)
    else if (value !== HARMLESS[name]) warnings.push({ action: 'dropped', field: place[source] ?? name })
  }
  return warnings
}

function vendorOf(protocol: Protocol): string {
  return protocol.slice(0, protocol.indexOf('-'))
}

export function valueAt(body: WireObject, path: string): unknown {
  let value: unknown = body
  for (const key of path.split('.')) {
    const object = asObject(value)
    value = object && Object.hasOwn(object, key) ? object[key] : undefined
  }
  return value
}

/** Names come from clients' bodies: only own members are gone through, so that no path leads to what all objects share. */
export function setAt(body: Record<string, unknown>, path: string, value: unknown): void {
  const keys = path.split('.')
  const last = keys.pop() as string
  let object = body
  for (const key of keys) {
    const inner = Object.hasOwn(object, key) ? asObject(object[key]) : null
    const next = inner ? (inner as Record<string, unknown>) : {}
    if (!inner) setOwn(object, key, next)
    object = next
  }
  setOwn(object, last, value)
}

/** Also for the name `__proto__`, which an assignment would take for something else. */
function setOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true })
}
