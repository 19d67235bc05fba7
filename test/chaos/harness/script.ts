/** What the upstream is to do with one request: it travels in the request itself, as its tag. */
import type { Tokens } from '../../support/dialect.ts'

/**
 * `whole`: all of the answer. `cut`: half of it, then a reset. `reset`: a reset before the head. `error`: status 500.
 * `gate`: of a stream the first words, of a whole answer nothing; the rest once the gate is opened.
 */
export const FAULTS = ['whole', 'cut', 'reset', 'error', 'gate'] as const
export type Fault = (typeof FAULTS)[number]

export interface Script {
  /** Names the request in every log. */
  readonly id: string
  /** Pieces of text in a streamed answer. */
  readonly chunks: number
  /** Before each piece, and before a whole answer. */
  readonly delayMs: number
  readonly usage: Tokens
  readonly fault: Fault
}

export function writeScript({ id, chunks, delayMs, usage, fault }: Script): string {
  return [id, chunks, delayMs, usage.input, usage.output, fault].join('|')
}

/** Null for a tag that is no script. */
export function readScript(tag: string): Script | null {
  const [id, chunks, delayMs, input, output, name] = tag.split('|')
  const fault = FAULTS.find((known) => known === name)
  if (!id || fault === undefined) return null
  return {
    id,
    chunks: Number(chunks),
    delayMs: Number(delayMs),
    usage: { input: Number(input), output: Number(output) },
    fault,
  }
}
