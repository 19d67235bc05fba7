/** What the agents are put through. */
import type { Protocol } from '../../src/base/words.ts'
import type { AgentName } from './agent.ts'
import { REFUSALS, type RefusalCase } from './refusal.ts'
import {
  CHAT_MODEL,
  GOOGLE_MODEL,
  GROUPED_MODEL,
  MESSAGES_MODEL,
  MODELS,
  PATCH_MODEL,
  RESPONSES_MODEL,
  type TestModel,
} from './stage.ts'
import type { LoopOptions } from './tool-loop.ts'

const SHORT: Readonly<Record<Protocol, string>> = {
  'openai-chat': 'chat',
  'openai-responses': 'responses',
  'anthropic-messages': 'messages',
  'google-generate': 'google',
}

/** The loops that one agent goes through. */
export function loopsOf(agent: AgentName, protocols: readonly Protocol[]): LoopOptions[] {
  const everywhere = protocols.flatMap((protocol) =>
    MODELS.map((model) => loop(agent, protocol, model, `${SHORT[protocol]} to ${SHORT[model.protocol]}`)),
  )
  return [...everywhere, ...OWN_LOOPS[agent].map((options) => ({ ...options, name: `${agent}: ${options.name}` }))]
}

function loop(agent: AgentName, protocol: Protocol, model: TestModel, name: string): LoopOptions {
  return { name: `${agent}: ${name}`, product: 'go', protocol, model }
}

const chat = { product: 'go', protocol: 'openai-chat', model: CHAT_MODEL } as const
const messages = { product: 'go', protocol: 'anthropic-messages', model: MESSAGES_MODEL } as const
const responses = { product: 'go', protocol: 'openai-responses', model: RESPONSES_MODEL } as const
const google = { product: 'go', protocol: 'google-generate', model: GOOGLE_MODEL } as const

const TITLE_CALL = { protocol: 'openai-responses', path: /\/responses$/ } as const
const ROUTING_CALL = { protocol: 'google-generate', path: /:generateContent/ } as const

/** What only this agent does, and an upstream that breaks off once: in its own protocol, and translated. */
const OWN_LOOPS: Readonly<Record<AgentName, readonly LoopOptions[]>> = {
  opencode: [
    { ...chat, name: 'zen, with a title by gpt-5.4-nano', product: 'zen', sideCall: TITLE_CALL },
    { ...messages, name: "by Zendo's model list", byModelList: true },
    { ...chat, name: 'chat, upstream cut once', cutFirst: true },
    { ...messages, name: 'messages, upstream cut once', cutFirst: true },
    { ...messages, name: 'messages to responses, upstream cut once', model: RESPONSES_MODEL, cutFirst: true },
    { ...google, name: 'google to chat, upstream cut once', model: CHAT_MODEL, cutFirst: true },
  ],
  'claude-code': [
    { ...messages, name: 'zen', product: 'zen' },
    { ...messages, name: 'messages, upstream cut once', cutFirst: true },
    { ...messages, name: 'messages to chat, upstream cut once', model: CHAT_MODEL, cutFirst: true },
  ],
  codex: [
    { ...responses, name: 'WebSocket first', webSocket: true },
    { ...responses, name: 'a tool of free text, to chat', model: PATCH_MODEL },
    { ...responses, name: 'tools in a group, to google', model: GROUPED_MODEL },
    { ...responses, name: 'responses, upstream cut once', cutFirst: true },
    { ...responses, name: 'responses to google, upstream cut once', model: GOOGLE_MODEL, cutFirst: true },
  ],
  'gemini-cli': [
    { ...google, name: 'chooses its model by itself', calledBy: 'auto', sideCall: ROUTING_CALL },
    { ...google, name: 'google, upstream cut once', cutFirst: true },
    { ...google, name: 'google to messages, upstream cut once', model: MESSAGES_MODEL, cutFirst: true },
  ],
}

export interface RefusalScenario {
  readonly protocol: Protocol
  readonly refusal: RefusalCase
}

/** Every refusal; an agent of several protocols meets them in turn. */
export function refusalsOf(protocols: readonly Protocol[]): RefusalScenario[] {
  return REFUSALS.map((refusal, index) => ({ refusal, protocol: protocols[index % protocols.length] as Protocol }))
}
