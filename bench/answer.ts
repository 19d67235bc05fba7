/**
 * Reads what an answer says in each protocol, to compare it with the mock's script. It shares nothing with the gateway:
 * what both would get wrong alike would be found by neither.
 *
 * Source: OpenAI "Chat Completions" and "Responses", Anthropic "Messages", Google "GenerateContentResponse".
 */
import type { Protocol } from '../src/base/words.ts'
import type { ReplyUsage, Script } from './mock-wires.ts'

export interface Answer extends ReplyUsage {
  readonly text: string
}

/** Where things stand, as paths of member names and indices. */
interface AnswerShape {
  /** The text of a whole answer. */
  readonly text: string
  /** What an event adds to it, when it is of the type. */
  readonly delta: string
  readonly deltaType?: string
  /** The usage object, in a whole answer and in events. Those of a stream are laid over each other. */
  readonly usage: readonly string[]
  /** Within it: the counts that add up to the whole prompt. */
  readonly prompt: readonly string[]
  readonly cached: string
  readonly completion: string
  /** Stands once in a stream that ended as it should. Its first character does not come again in it. */
  readonly endMark: string
}

const SHAPES: Readonly<Record<Protocol, AnswerShape>> = {
  'openai-chat': {
    text: 'choices.0.message.content',
    delta: 'choices.0.delta.content',
    usage: ['usage'],
    prompt: ['prompt_tokens'],
    cached: 'prompt_tokens_details.cached_tokens',
    completion: 'completion_tokens',
    endMark: '[DONE]',
  },
  'openai-responses': {
    text: 'output.0.content.0.text',
    delta: 'delta',
    deltaType: 'response.output_text.delta',
    usage: ['usage', 'response.usage'],
    prompt: ['input_tokens'],
    cached: 'input_tokens_details.cached_tokens',
    completion: 'output_tokens',
    endMark: ': response.completed\n',
  },
  'anthropic-messages': {
    text: 'content.0.text',
    delta: 'delta.text',
    deltaType: 'content_block_delta',
    usage: ['usage', 'message.usage'],
    prompt: ['input_tokens', 'cache_creation_input_tokens', 'cache_read_input_tokens'],
    cached: 'cache_read_input_tokens',
    completion: 'output_tokens',
    endMark: ': message_stop\n',
  },
  'google-generate': {
    text: 'candidates.0.content.parts.0.text',
    delta: 'candidates.0.content.parts.0.text',
    usage: ['usageMetadata'],
    prompt: ['promptTokenCount'],
    cached: 'cachedContentTokenCount',
    completion: 'candidatesTokenCount',
    endMark: 'finishReason":"STOP"',
  },
}

export function endMarkOf(protocol: Protocol): string {
  return SHAPES[protocol].endMark
}

/** What is missing is empty or zero. @throws SyntaxError when it is not JSON */
export function readAnswer(protocol: Protocol, isStream: boolean, body: string): Answer {
  const shape = SHAPES[protocol]
  const pieces = isStream ? eventsOf(body) : [JSON.parse(body) as unknown]
  const usage = Object.assign({}, ...pieces.flatMap((piece) => shape.usage.map((path) => at(piece, path)))) as unknown
  const count = (path: string): number => Number(at(usage, path) ?? 0)
  return {
    text: pieces.map((piece) => textOf(shape, isStream, piece)).join(''),
    promptTokens: shape.prompt.reduce((total, path) => total + count(path), 0),
    cachedTokens: count(shape.cached),
    completionTokens: count(shape.completion),
  }
}

/** In a few words, what an answer has other than the script; undefined when it says the same. */
export function differenceFrom({ texts, usage }: Script, answer: Answer): string | undefined {
  const expected: Answer = { text: texts.join(''), ...usage }
  const names = (Object.keys(expected) as (keyof Answer)[]).filter((name) => answer[name] !== expected[name])
  if (names.length === 0) return undefined
  return names.map((name) => `${name} ${summary(answer[name])}, not ${summary(expected[name])}`).join('; ')
}

function eventsOf(stream: string): unknown[] {
  return [...stream.matchAll(/^data: (\{.*)$/gm)].map(([, data]) => JSON.parse(data as string) as unknown)
}

function textOf({ text, delta, deltaType }: AnswerShape, isStream: boolean, piece: unknown): string {
  if (isStream && deltaType !== undefined && at(piece, 'type') !== deltaType) return ''
  return String(at(piece, isStream ? delta : text) ?? '')
}

function at(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((inner, name) => (inner as Record<string, unknown> | null)?.[name], value)
}

function summary(value: string | number): string {
  return typeof value === 'number' ? String(value) : `of ${value.length} characters ending in ${value.slice(-20)}`
}
