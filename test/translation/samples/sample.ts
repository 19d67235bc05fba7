/** A valid value for every field of a protocol's request, and what the body around it must hold. */
import type { WireObject } from '../../../src/protocol/wire-value.ts'

export interface Samples {
  /** The smallest valid body. */
  readonly base: WireObject
  /** Other bodies, for fields below a path that make sense in them only. */
  readonly contexts: Readonly<Record<string, WireObject>>
  /** What stands around the fields below a path, where it is not the sample of that place: by path again. */
  readonly around?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** What follows in the list at the top, so that the body stays sound: results of calls. */
  readonly after?: Readonly<Record<string, readonly unknown[]>>
  /** By path. Of a list (`tools[]<function>`) one element. */
  readonly values: Readonly<Record<string, unknown>>
  /** The same for objects that travel as one: their members are not sampled one by one. */
  readonly wholes: Readonly<Record<string, unknown>>
  /** Fields that need leave no trace in the translated body, with the reason. */
  readonly silent: Readonly<Record<string, string>>
}

export const LOOK_UP = {
  type: 'object',
  properties: { place: { type: 'string' } },
  required: ['place'],
  additionalProperties: false,
} as const

/** One white pixel. */
export const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg=='
export const PDF = Buffer.from('%PDF-1.4\n%%EOF\n').toString('base64')
