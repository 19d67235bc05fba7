import assert from 'node:assert/strict'
import { it } from 'node:test'
import { AppError } from '../base/errors.ts'
import { clientProfile } from './client-profile.ts'
import { encodeError } from './errors.ts'

it('programs on the AI SDK are known by their user agent, opencode and everybody else are not among them', () => {
  const agents: readonly (readonly [string | undefined, string])[] = [
    ['ai-sdk-anthropic/4.0.105', 'ai-sdk'],
    ['ai/7.0.173 ai-sdk-provider-utils/4.0.1 runtime/node.js/26', 'ai-sdk'],
    ['ai-sdk/openai-compatible/3.0.92 ai-sdk/provider-utils/5.0', 'ai-sdk'],
    ['opencode/1.18.33 ai-sdk/provider-utils/4.0.0', 'other'],
    ['OpenAI/JS 7.55.0', 'other'],
    ['not-ai-sdk-at-all', 'other'],
    [undefined, 'other'],
  ]
  for (const [agent, profile] of agents) assert.equal(clientProfile(agent), profile)
})

it('a used-up limit is 402 for clients that hammer on 429, and only there', () => {
  const context = { requestId: 'req_1', nowMs: 0 }
  const limit = new AppError('plan_limit', 'used up')
  assert.equal(encodeError('openai-chat', limit, context).status, 429)
  const signalled = encodeError('openai-chat', limit, { ...context, profile: 'ai-sdk' })
  assert.equal(signalled.status, 402)
  assert.equal(signalled.body, encodeError('openai-chat', limit, context).body)
  const rate = new AppError('rate_limited', 'slow down')
  assert.equal(encodeError('openai-chat', rate, { ...context, profile: 'ai-sdk' }).status, 429)
})
