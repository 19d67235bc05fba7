/** A walk of six turns with thoughts and calls, which every pair must go through in whatever dialect its upstream speaks. */
import assert from 'node:assert/strict'
import type { Protocol } from '../../src/base/words.ts'
import type { WireObject } from '../../src/protocol/wire-value.ts'
import type { StrictTurn } from '../support/strict/turn.ts'
import type { Returns, SessionOptions, ToolSpec } from './session.ts'
import type { Pair, World } from './world.ts'

export const STEP: ToolSpec = {
  name: 'step',
  description: 'Goes a step.',
  parameters: { type: 'object', properties: { to: { type: 'integer' } }, required: ['to'] },
}
const TOOL_TURNS = 5

/** Odd turns call two tools at once; some speak before they call. */
function turns(tag: string): StrictTurn[] {
  const loop = Array.from({ length: TOOL_TURNS }, (_, i): StrictTurn => {
    const call = (letter: string) => ({ id: `call_${tag}_${i}${letter}`, name: STEP.name, arguments: { to: i } })
    return {
      reasoning: `Thought ${i}: there are ${TOOL_TURNS - i} steps to go. 🧭`,
      ...(i === 2 && { text: 'Half of the way.' }),
      calls: i % 2 === 1 ? [call('a'), call('b')] : [call('a')],
    }
  })
  return [...loop, { reasoning: 'Thought 5: this is it.', text: 'Arrived.' }]
}

let serial = 0

/** Fails where a thought is not shown, a call or the end is another, or the last request lacks a turn's reasoning. */
export async function walkSixTurns(
  world: World,
  pair: Pair,
  { stream, returns, more = {} }: { stream: boolean; returns: Returns; more?: Partial<SessionOptions> },
): Promise<void> {
  const upstream = world.upstream(pair.upstream)
  const tag = `t${serial++}`
  const script = turns(tag)
  let turn = 0
  upstream.play(...script)
  const session = world.open(pair, {
    stream,
    returns,
    tools: [STEP],
    reasons: true,
    // What a client returns must be enough by itself: under another name the gateway remembers nothing.
    headers: () => ({ 'x-zendo-session': returns === 'bare' ? `six-${tag}` : `six-${tag}-${turn++}` }),
    ...more,
  })
  let answer = await session.say('Walk there.')
  for (const [i, { reasoning, calls = [] }] of script.entries()) {
    assert.equal(answer.reasoning, reasoning, `the thoughts of turn ${i}`)
    assert.deepEqual(
      answer.calls.map((call) => call.arguments),
      calls.map((call) => call.arguments),
    )
    if (i < TOOL_TURNS) answer = await session.give(answer.calls.map((call) => ({ call, text: 'Went.' })))
  }
  assert.deepEqual([answer.text, answer.finish], ['Arrived.', 'stop'])
  assert.deepEqual(upstream.breaches, [])
  assert.equal(thoughtsIn(pair.upstream, upstream.requests.at(-1)?.body), TOOL_TURNS)
}

/** How many turns of a body carry their reasoning or its signature; the upstream has checked that they are its own. */
export function thoughtsIn(protocol: Protocol, body: WireObject | undefined): number {
  const mark = {
    'openai-chat': /"reasoning(?:_content)?":"Thought/g,
    'openai-responses': /"encrypted_content":"/g,
    'anthropic-messages': /"signature":"/g,
    'google-generate': /"thoughtSignature":"(?!skip_)/g,
  }[protocol]
  return JSON.stringify(body).match(mark)?.length ?? 0
}

/** What clients of a protocol do with what they get: Google's need not return ids. */
export function waysOf({ client }: Pair): readonly Returns[] {
  return client.protocol === 'google-generate' ? ['all', 'bare', 'nameless'] : ['all', 'bare']
}
