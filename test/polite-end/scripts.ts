/** The streams that are ended: this project's golden ones, and one of each protocol with a bit of everything. */
import { join } from 'node:path'
import { PROTOCOLS, type Protocol } from '../../src/base/words.ts'
import { codecOf } from '../../src/protocol/codecs.ts'
import type { IrEvent } from '../../src/protocol/ir/event.ts'
import { type Case, loadCases } from '../captures/case.ts'
import { splitBlocks } from '../captures/sse-blocks.ts'
import { contextOf, type Script } from './ended.ts'

export interface KnownScript extends Script {
  /** Tools that are called in it. */
  readonly tools: readonly { readonly name: string; readonly isCustom: boolean }[]
}

export function allScripts(): KnownScript[] {
  return [...PROTOCOLS.map(richScript), ...goldenScripts()]
}

/** Ways in which vendors frame or fail are tested elsewhere: the libraries of the vendors do not read them all. */
const UNREADABLE = /^(byte-order-mark|carriage-returns|no-space-bom-cr|multi-line-data|error-)/

function goldenScripts(): KnownScript[] {
  return loadCases(join(import.meta.dirname, '..', 'golden'))
    .filter(({ stream, status, form, name }) => stream && status === 200 && form === 'sse' && !UNREADABLE.test(name))
    .map(scriptOf)
}

export function scriptOf({ family, name, body, expected }: Case): KnownScript {
  const calls = (expected.tool_calls ?? []).filter((call) => call.name !== '')
  const tools = new Map(calls.map((call) => [call.name, call.kind === 'custom']))
  return {
    ...{ name: `${family}/${name}`, from: family, answers: name === 'two-choices' ? 2 : 1 },
    events: splitBlocks(body).map(({ bytes }) => bytes),
    tools: [...tools].map(([tool, isCustom]) => ({ name: tool, isCustom })),
  }
}

const READ = { type: 'tool-call-start', name: 'read', kind: 'function' } as const
const EVENTS: readonly IrEvent[] = [
  { type: 'reply-start', id: 'r1', model: 'm' },
  { type: 'thinking-start', block: 0 },
  { type: 'thinking-delta', block: 0, text: 'Reading ' },
  { type: 'thinking-delta', block: 0, text: 'first.' },
  { type: 'thinking-end', block: 0, signature: 'c2lnbmF0dXJl' },
  { type: 'text-start', block: 1 },
  { type: 'text-delta', block: 1, text: 'Größe → „3" ' },
  { type: 'text-delta', block: 1, text: '\\ 😀\u2028ok\n' },
  { type: 'text-end', block: 1 },
  { ...READ, block: 2, id: 'toolu_1' },
  { type: 'tool-call-delta', block: 2, text: '{"path":' },
  { type: 'tool-call-delta', block: 2, text: '"a.ts"}' },
  { type: 'tool-call-end', block: 2 },
  { ...READ, block: 3, id: 'toolu_2' },
  { type: 'tool-call-delta', block: 3, text: '{"path":"b' },
  { type: 'tool-call-delta', block: 3, text: '.ts"}' },
  { type: 'tool-call-end', block: 3 },
]
const USAGE = { input: 20, cachedRead: 100, cacheWrite5m: 0, cacheWrite1h: 0, output: 30, reasoning: 10 }

/** Reasoning, text and parallel calls, as an upstream of this protocol would send them. */
export function richScript(from: Protocol): KnownScript {
  const encoder = codecOf(from).createStreamEncoder(contextOf(from, from))
  const text = EVENTS.map((event) => encoder.encode(event)).join('')
  const finish = { finish: 'tool_calls', raw: null, stopSequence: null } as const
  const body = Buffer.from(text + encoder.finish({ finish, usage: USAGE, cost: null }))
  return {
    ...{ name: `${from}, a bit of everything`, from, answers: 1, tools: [{ name: 'read', isCustom: false }] },
    events: splitBlocks(body).map(({ bytes }) => bytes),
  }
}
