/** Upstreams that speak their protocol in another dialect are spoken to in it, as their quirks declare. */
import { after, afterEach, before, describe, test } from 'node:test'
import { strictChat } from '../support/strict/chat.ts'
import { strictGoogle } from '../support/strict/google.ts'
import { strictMessages } from '../support/strict/messages.ts'
import { walkSixTurns, waysOf } from './six-turns.ts'
import { PAIRS, startWorld, type World, type WorldOptions } from './world.ts'

const chat = 'openai-chat'
const DIALECTS: readonly (WorldOptions & { readonly name: string; readonly upstream: string })[] = [
  {
    name: 'chat as OpenAI itself: developer, max_completion_tokens',
    upstream: chat,
    dialects: {
      [chat]: () => strictChat({ ownVendor: true, systemRole: 'developer', maxTokensField: 'max_completion_tokens' }),
    },
    quirks: { [chat]: { ownVendor: true, systemRole: 'developer', maxTokensField: 'max_completion_tokens' } },
  },
  {
    name: 'chat with thinking: {type}',
    upstream: chat,
    dialects: { [chat]: () => strictChat({ reasoningRequired: true, reasoningControl: 'thinking' }) },
    quirks: { [chat]: { reasoningRequired: true, reasoningControl: 'thinking' } },
  },
  {
    name: 'chat with enable_thinking, and no switch for parallel calls',
    upstream: chat,
    dialects: { [chat]: () => strictChat({ reasoningRequired: true, reasoningControl: 'enable_thinking' }) },
    quirks: { [chat]: { reasoningRequired: true, reasoningControl: 'enable_thinking', parallelToolCalls: false } },
  },
  {
    name: 'chat with reasoning both ways',
    upstream: chat,
    dialects: {
      [chat]: () => strictChat({ reasoningRequired: true, reasoningControl: 'reasoning', reasoningField: 'reasoning' }),
    },
    quirks: { [chat]: { reasoningRequired: true, reasoningControl: 'reasoning', reasoningField: 'reasoning' } },
  },
  {
    name: 'messages with adaptive thinking',
    upstream: 'anthropic-messages',
    dialects: { 'anthropic-messages': () => strictMessages({ thinking: 'adaptive', cacheMarks: 'plain' }) },
    quirks: { 'anthropic-messages': { thinkingForm: 'adaptive', cacheMarks: 'plain' } },
  },
  {
    name: 'google with ids of calls',
    upstream: 'google-generate',
    dialects: { 'google-generate': () => strictGoogle({ callIds: true }) },
  },
]

for (const { name, upstream, ...options } of DIALECTS) {
  describe(name, () => {
    let world: World
    before(async () => {
      world = await startWorld(options)
    })
    after(() => world.close())
    afterEach(() => world.expectSound())

    for (const pair of PAIRS.filter((candidate) => candidate.upstream === upstream)) {
      for (const returns of waysOf(pair)) {
        test(`${pair.name}: six turns by a client that returns ${returns}`, async () => {
          for (const stream of [true, false]) {
            await walkSixTurns(world, pair, { stream, returns, more: { system: 'Be brief.' } })
          }
        })
      }
    }
  })
}
