/** Runs a table of planted faults through a vendor's rules: the sound body passes, each broken one is refused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Breach } from './breach.ts'

/** A body that a fault may change at will. */
// biome-ignore lint/suspicious/noExplicitAny: faults put in what no type allows.
export type AnyBody = any

/** A name, what is changed, and what the refusal must say. */
export type PlantedFault = readonly [string, (body: AnyBody) => void, RegExp]

export function testFaults(
  sound: () => AnyBody,
  check: (body: AnyBody) => void,
  faults: readonly PlantedFault[],
): void {
  test('a sound body passes', () => {
    check(sound())
  })
  for (const [name, plant, says] of faults) {
    test(`refuses ${name}`, () => {
      const body = sound()
      plant(body)
      assert.throws(
        () => check(body),
        (error) => error instanceof Breach && says.test(error.message),
      )
    })
  }
}

/** A value as JSON carries it. */
export function copy<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T
}
