/**
 * Writes a session of the benchmark as a request of each protocol, in the order of members that its agents write.
 *
 * Source: OpenAI "Create chat completion" and "Create a model response", Anthropic "Create a Message", Google
 * "models.generateContent"; the habits are those of opencode, Codex, Claude Code and Gemini CLI.
 */
import type { Protocol } from '../src/base/words.ts'

/** One call of a tool and what came of it. */
export interface Turn {
  readonly id: string
  readonly tool: string
  readonly input: object
  readonly said: string
  readonly result: string
}

export interface ToolText {
  readonly name: string
  readonly description: string
  readonly schema: object
}

/** What is asked, before a protocol has written it. */
export interface Session {
  readonly system: string
  readonly task: string
  readonly turns: readonly Turn[]
  readonly tools: readonly ToolText[]
}

export interface Asked {
  readonly model: string
  readonly stream: boolean
}

type Shape = (session: Session, asked: Asked) => object

const MAX_OUTPUT = 2048

export const SHAPES: Readonly<Record<Protocol, Shape>> = {
  'openai-chat': chatBody,
  'openai-responses': responsesBody,
  'anthropic-messages': messagesBody,
  'google-generate': googleBody,
}

function chatBody({ system, task, turns, tools }: Session, { model, stream }: Asked): object {
  const messages = [{ role: 'system', content: system }, { role: 'user', content: task }, ...turns.flatMap(chatTurn)]
  const offered = tools.map(({ name, description, schema }) => ({
    type: 'function',
    function: { name, description, parameters: schema },
  }))
  return {
    ...{ model, max_tokens: MAX_OUTPUT, messages },
    ...(offered.length > 0 && { tools: offered, tool_choice: 'auto' }),
    stream,
    ...(stream && { stream_options: { include_usage: true } }),
  }
}

export function chatTurn({ id, tool, input, said, result }: Turn): object[] {
  const call = { id, type: 'function', function: { name: tool, arguments: JSON.stringify(input) } }
  return [
    { role: 'assistant', content: said, tool_calls: [call] },
    { role: 'tool', tool_call_id: id, content: result },
  ]
}

function responsesBody({ system, task, turns, tools }: Session, { model, stream }: Asked): object {
  const asked = { type: 'message', role: 'user', content: [{ type: 'input_text', text: task }] }
  const offered = tools.map(({ name, description, schema }) => ({
    ...{ type: 'function', name, description, strict: false, parameters: schema },
  }))
  return {
    ...{ model, instructions: system, input: [asked, ...turns.flatMap(responsesTurn)] },
    ...{ tools: offered, tool_choice: 'auto', parallel_tool_calls: true },
    ...{ max_output_tokens: MAX_OUTPUT, store: false, stream, include: ['reasoning.encrypted_content'] },
  }
}

function responsesTurn({ id, tool, input, said, result }: Turn): object[] {
  return [
    { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: said }] },
    { type: 'function_call', name: tool, arguments: JSON.stringify(input), call_id: id },
    { type: 'function_call_output', call_id: id, output: result },
  ]
}

/** With cache marks at the end of the system prompt and of the conversation. */
function messagesBody({ system, task, turns, tools }: Session, { model, stream }: Asked): object {
  const cache = { cache_control: { type: 'ephemeral' } }
  const asked = { role: 'user', content: [{ type: 'text', text: task, ...(turns.length === 0 && cache) }] }
  const offered = tools.map(({ name, description, schema }) => ({ name, description, input_schema: schema }))
  const messages = turns.flatMap((turn, index) => messagesTurn(turn, index === turns.length - 1 && cache))
  return {
    ...{ model, messages: [asked, ...messages], system: [{ type: 'text', text: system, ...cache }] },
    ...(offered.length > 0 && { tools: offered, tool_choice: { type: 'auto' } }),
    ...{ max_tokens: MAX_OUTPUT, stream },
  }
}

function messagesTurn({ id, tool, input, said, result }: Turn, cache: object | false): object[] {
  const call = { type: 'tool_use', id, name: tool, input }
  return [
    { role: 'assistant', content: [{ type: 'text', text: said }, call] },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content: result, ...cache }] },
  ]
}

/** Model and stream stand in the path. */
function googleBody({ system, task, turns, tools }: Session): object {
  const functionDeclarations = tools.map(({ name, description, schema }) => ({
    ...{ name, description, parametersJsonSchema: schema },
  }))
  return {
    contents: [{ role: 'user', parts: [{ text: task }] }, ...turns.flatMap(googleTurn)],
    systemInstruction: { role: 'user', parts: [{ text: system }] },
    ...(functionDeclarations.length > 0 && { tools: [{ functionDeclarations }] }),
    generationConfig: { maxOutputTokens: MAX_OUTPUT },
  }
}

function googleTurn({ id, tool, input, said, result }: Turn): object[] {
  return [
    { role: 'model', parts: [{ text: said }, { functionCall: { id, name: tool, args: input } }] },
    { role: 'user', parts: [{ functionResponse: { id, name: tool, response: { output: result } } }] },
  ]
}
