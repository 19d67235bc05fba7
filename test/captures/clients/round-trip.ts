/** Decodes a recorded body by its own codec and writes it again: what is not the same, by place. */
import { isDeepStrictEqual } from 'node:util'
import { codecOf } from '../../../src/protocol/codecs.ts'
import type { Recorded } from './recorded.ts'

type Wire = Readonly<Record<string, unknown>>

export interface Changed {
  /** With `*` in place of numbers: `messages[*].content`. */
  readonly place: string
  readonly before: unknown
  readonly after: unknown
}

/** @throws what the codec throws */
export function roundTrip(recorded: Recorded): Changed[] {
  const { family, stream, body } = recorded
  const codec = codecOf(family)
  const model = typeof body?.model === 'string' ? body.model : 'a-model'
  const request = codec.decodeRequest(body ?? {}, { model, stream })
  const encoded = codec.encodeRequest(request, {
    ...{ model, account: 'an-account', maxOutput: 128_000, originateCacheMarks: false },
    quirks: OWN_VENDOR,
  })
  const changed: Changed[] = []
  compare(body, encoded.body, '', changed)
  for (const { action, field } of encoded.warnings)
    changed.push({ place: starred(field), before: action, after: 'a warning' })
  return changed
}

/** Takes all that its protocol has. */
const OWN_VENDOR = {
  ownVendor: true,
  customTools: true,
  toolResultImages: true,
  midSystemMessages: true,
} as const

/** The same in other words: what may be written another way than it came. */
const CHOICES: readonly { readonly reason: string; isSuch(changed: Changed): boolean }[] = [
  {
    reason: 'members that are null are left out',
    isSuch: ({ before, after }) => before === null && after === undefined,
  },
  {
    reason: 'an empty list of tools is none',
    isSuch: ({ place, before, after }) => place === 'tools' && isDeepStrictEqual(before, []) && after === undefined,
  },
  { reason: 'a text alone becomes a list of one text', isSuch: ({ before, after }) => isOneText(before, after) },
  {
    reason: 'words that Google takes in either case',
    isSuch: ({ before, after }) =>
      typeof before === 'string' && typeof after === 'string' && before.toLowerCase() === after.toLowerCase(),
  },
]

/** The name of the choice that a change is; null when it is none. */
export function choiceOf(changed: Changed): string | null {
  return CHOICES.find((choice) => choice.isSuch(changed))?.reason ?? null
}

function isOneText(before: unknown, after: unknown): boolean {
  const isText = typeof before === 'string' && Array.isArray(after) && after.length === 1
  return isText && isDeepStrictEqual(after[0], { type: 'text', text: before })
}

function compare(before: unknown, after: unknown, place: string, changed: Changed[]): void {
  if (isDeepStrictEqual(before, after)) return
  if (Array.isArray(before) && Array.isArray(after) && before.length === after.length) {
    before.forEach((entry, i) => {
      compare(entry, after[i], `${place}[${i}]`, changed)
    })
    return
  }
  if (isObject(before) && isObject(after)) {
    for (const name of new Set([...Object.keys(before), ...Object.keys(after)]))
      compare(before[name], after[name], place === '' ? name : `${place}.${name}`, changed)
    return
  }
  changed.push({ place: starred(place), before, after })
}

function isObject(value: unknown): value is Wire {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function starred(place: string): string {
  return place.replace(/\[\d+\]/g, '[*]')
}
