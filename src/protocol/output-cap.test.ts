import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { PROTOCOLS, type Protocol } from '../base/words.ts'
import type { UpstreamTarget } from './codec.ts'
import { codecOf } from './codecs.ts'
import { capOutput, smallestCap } from './output-cap.ts'
import { readRequest } from './request.ts'
import { smallestTranslatedCap, translateRequest } from './translate-request.ts'
import type { WireObject } from './wire-value.ts'

type Case = readonly [protocol: Protocol, before: string, after: string]

function assertCapped(cases: readonly Case[], quirks = {}): void {
  for (const [protocol, before, after] of cases) {
    assert.equal(capOutput(protocol, Buffer.from(before), 100, quirks).toString(), after, before)
  }
}

function leastOf(protocol: Protocol, body: object): number {
  return smallestCap(protocol, Buffer.from(JSON.stringify(body)))
}

describe('capOutput', () => {
  it('sets the cap in its place and leaves every other byte as it was', () => {
    assertCapped([
      ['openai-chat', '{ "max_tokens" : 4000 , "messages":[] }', '{ "max_tokens" : 100 , "messages":[] }'],
      [
        'openai-chat',
        '{"max_completion_tokens":4e3,"x":"max_tokens"}',
        '{"max_completion_tokens":100,"x":"max_tokens"}',
      ],
      ['openai-responses', '{"input":"ä","max_output_tokens":4000}', '{"input":"ä","max_output_tokens":100}'],
      ['anthropic-messages', '\ufeff{"max_tokens":101,"m":[1, 2]}\n', '\ufeff{"max_tokens":100,"m":[1, 2]}\n'],
      [
        'google-generate',
        '{"generationConfig":{"topK":1, "maxOutputTokens": 4000},"c":[]}',
        '{"generationConfig":{"topK":1, "maxOutputTokens": 100},"c":[]}',
      ],
    ])
  })

  it('sets both spellings of chat, and puts in the one that the upstream takes', () => {
    const both = '{"max_tokens":4000,"max_completion_tokens":4000}'
    assertCapped([['openai-chat', both, '{"max_tokens":100,"max_completion_tokens":100}']])
    assertCapped([
      ['openai-chat', '{"messages":[]}', '{"messages":[],"max_tokens":100}'],
      ['openai-chat', '{"max_tokens":null}', '{"max_tokens":100}'],
      [
        'openai-chat',
        '{"max_tokens":9000,"max_completion_tokens":null}',
        '{"max_tokens":100,"max_completion_tokens":null}',
      ],
    ])
    assertCapped(
      [
        ['openai-chat', '{"messages":[]}', '{"messages":[],"max_completion_tokens":100}'],
        ['openai-chat', '{"max_tokens":null}', '{"max_tokens":null,"max_completion_tokens":100}'],
        ['openai-chat', '{"max_tokens":4000}', '{"max_tokens":100}'],
      ],
      { maxTokensField: 'max_completion_tokens' },
    )
  })

  it('puts in a cap that is missing, null or nothing, in every protocol', () => {
    assertCapped([
      ['openai-responses', '{"input":"x"}', '{"input":"x","max_output_tokens":100}'],
      ['openai-responses', '{"max_output_tokens": null}', '{"max_output_tokens": 100}'],
      ['openai-responses', '{}', '{"max_output_tokens":100}'],
      ['anthropic-messages', '{"max_tokens":0}', '{"max_tokens":100}'],
      ['google-generate', '{"contents":[]}', '{"contents":[],"generationConfig":{"maxOutputTokens":100}}'],
      ['google-generate', '{"generationConfig":null}', '{"generationConfig":{"maxOutputTokens":100}}'],
      ['google-generate', '{"generationConfig":{ }}', '{"generationConfig":{ "maxOutputTokens":100}}'],
      ['google-generate', '{"generationConfig":{"topK":1}}', '{"generationConfig":{"topK":1,"maxOutputTokens":100}}'],
      [
        'google-generate',
        '{"generationConfig":{"maxOutputTokens":null}}',
        '{"generationConfig":{"maxOutputTokens":100}}',
      ],
    ])
  })

  it("knows Google's other spelling, outside and inside", () => {
    assertCapped([
      [
        'google-generate',
        '{"generation_config":{"topK":1}}',
        '{"generation_config":{"topK":1,"max_output_tokens":100}}',
      ],
      [
        'google-generate',
        '{"generation_config":{"max_output_tokens":200}}',
        '{"generation_config":{"max_output_tokens":100}}',
      ],
      [
        'google-generate',
        '{"generationConfig":{"max_output_tokens":200}}',
        '{"generationConfig":{"max_output_tokens":100}}',
      ],
    ])
  })

  it('never raises a lower cap: the very same bytes come back', () => {
    for (const [protocol, text] of [
      ['openai-chat', '{"max_tokens":100}'],
      ['openai-responses', '{"max_output_tokens":99}'],
      ['anthropic-messages', '{"max_tokens":1}'],
      ['google-generate', '{"generationConfig":{"maxOutputTokens":99}}'],
    ] as const) {
      const body = Buffer.from(text)
      assert.equal(capOutput(protocol, body, 100), body)
    }
    assertCapped([
      ['openai-chat', '{"max_tokens":50,"max_completion_tokens":50}', '{"max_tokens":50,"max_completion_tokens":50}'],
    ])
  })

  it('takes no cap for one that stands deeper, in text, or under another name', () => {
    assertCapped([
      [
        'anthropic-messages',
        '{"messages":[{"max_tokens":9999,"content":"\\"max_tokens\\":9999"}],"max_tokens":9999}',
        '{"messages":[{"max_tokens":9999,"content":"\\"max_tokens\\":9999"}],"max_tokens":100}',
      ],
      ['openai-chat', '{"max\\u005ftokens":9999,"max_tokens_x":9999}', '{"max\\u005ftokens":100,"max_tokens_x":9999}'],
    ])
  })

  it('sends what the reader of requests then finds, whatever the client gave', () => {
    const members: Readonly<Record<Protocol, object>> = {
      'openai-chat': { model: 'm', messages: [] },
      'openai-responses': { model: 'm', input: 'x' },
      'anthropic-messages': { model: 'm', messages: [] },
      'google-generate': { contents: [] },
    }
    const path = { model: 'm', stream: false }
    const given = fc.option(fc.integer({ min: 0, max: 5000 }))
    fc.assert(
      fc.property(fc.constantFrom(...PROTOCOLS), given, fc.integer({ min: 1, max: 3000 }), (protocol, asked, cap) => {
        const capMembers = { 'openai-chat': 'max_tokens', 'openai-responses': 'max_output_tokens' }
        const name = protocol in capMembers ? capMembers[protocol as keyof typeof capMembers] : 'max_tokens'
        const caps =
          protocol === 'google-generate' ? { generationConfig: { maxOutputTokens: asked } } : { [name]: asked }
        const body = Buffer.from(JSON.stringify({ ...members[protocol], ...caps }))
        const sent = readRequest(protocol, capOutput(protocol, body, cap), { path, needsMaxTokens: false })
        assert.equal(sent.maxOutput, asked === null || asked === 0 ? cap : Math.min(asked, cap))
      }),
    )
  })

  it('takes no nonsense for a cap', () => {
    for (const cap of [0, -1, 1.5, Number.NaN]) {
      assert.throws(() => capOutput('openai-chat', Buffer.from('{}'), cap))
    }
  })
})

describe('smallestCap', () => {
  it('leaves room above a budget of thinking, and is one token without any', () => {
    const thinking = { type: 'enabled', budget_tokens: 2048 }
    const cases: readonly (readonly [Protocol, object, number])[] = [
      ['anthropic-messages', { max_tokens: 9000, thinking }, 2049],
      ['anthropic-messages', { max_tokens: 9000, thinking: { type: 'adaptive' } }, 1],
      ['anthropic-messages', { max_tokens: 9000, thinking: null }, 1],
      ['anthropic-messages', { max_tokens: 9000 }, 1],
      ['openai-chat', { thinking }, 2049],
      ['openai-chat', { reasoning: { max_tokens: 3000 }, max_completion_tokens: 9000 }, 3001],
      ['openai-chat', { reasoning: { effort: 'high' } }, 1],
      ['openai-chat', {}, 1],
      ['openai-responses', {}, 16],
      ['google-generate', { generationConfig: { thinkingConfig: { thinkingBudget: 512 } } }, 512],
      ['google-generate', { generation_config: { thinking_config: { thinking_budget: 512 } } }, 512],
      ['google-generate', { generationConfig: { thinkingConfig: { thinkingBudget: -1 } } }, 1],
      ['google-generate', { generationConfig: null }, 1],
      ['google-generate', {}, 1],
    ]
    for (const [protocol, body, least] of cases) assert.equal(leastOf(protocol, body), least, JSON.stringify(body))
  })

  it('asks for no more than the client, whose budget is above its cap already', () => {
    const thinking = { type: 'enabled', budget_tokens: 20_000 }
    assert.equal(leastOf('anthropic-messages', { max_tokens: 8000, thinking }), 1)
    const config = { maxOutputTokens: 8000, thinkingConfig: { thinkingBudget: 20_000 } }
    assert.equal(leastOf('google-generate', { generationConfig: config }), 1)
  })
})

describe('a translated request with a cap', () => {
  const target: UpstreamTarget = {
    ...{ model: 'up', account: 'acc', maxOutput: 64_000, originateCacheMarks: false },
    quirks: { thinkingForm: 'budget', reasoningControl: 'reasoning' },
  }

  function ask(more: object) {
    const body = { model: 'm', messages: [{ role: 'user', content: 'x' }], ...more }
    return codecOf('openai-chat').decodeRequest(body, { model: 'm', stream: true })
  }

  function sent(to: Protocol, more: object, cap: number | null): WireObject {
    return translateRequest(ask(more), to, target, cap).body
  }

  it('is written with the lower of the two caps, in every protocol', () => {
    const places: Readonly<Record<Protocol, (body: WireObject) => unknown>> = {
      'openai-chat': (body) => body.max_tokens,
      'openai-responses': (body) => body.max_output_tokens,
      'anthropic-messages': (body) => body.max_tokens,
      'google-generate': (body) => (body.generationConfig as WireObject | undefined)?.maxOutputTokens,
    }
    for (const to of PROTOCOLS) {
      for (const [asked, expected] of [
        [{}, 700],
        [{ max_tokens: 50_000 }, 700],
        [{ max_tokens: 200 }, 200],
      ] as const) {
        assert.equal(places[to](sent(to, asked, 700)), expected, `${to} ${JSON.stringify(asked)}`)
      }
    }
    assert.equal(sent('anthropic-messages', { max_tokens: 900 }, null).max_tokens, 900)
  })

  it('stays one that the vendor takes at the smallest cap', () => {
    const budget = { max_tokens: 30_000, thinking: { type: 'enabled', budget_tokens: 4000 } }
    const cases: readonly (readonly [to: Protocol, asked: object, least: number])[] = [
      ['anthropic-messages', budget, 4001],
      ['anthropic-messages', { reasoning_effort: 'high' }, 1],
      ['openai-responses', {}, 16],
      ['google-generate', budget, 4000],
      ['google-generate', {}, 1],
    ]
    for (const [to, asked, expected] of cases) {
      const body = Buffer.from(JSON.stringify(sent(to, asked, null)))
      const least = smallestTranslatedCap(ask(asked), to, body)
      assert.equal(least, expected, `${to} ${JSON.stringify(asked)}`)
      const { max_tokens: cap, thinking } = sent(to, asked, least) as { max_tokens?: number; thinking?: WireObject }
      if (to === 'anthropic-messages' && thinking?.type === 'enabled') {
        assert.ok(Number(thinking.budget_tokens) >= 1024 && Number(thinking.budget_tokens) < Number(cap))
      }
    }
  })
})
