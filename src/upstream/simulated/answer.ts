/** Composes what a simulated model says: deltas of a word each, or of four characters of a call's arguments. */
import type { SimulatedRequest } from './request.ts'
import type { Content } from './scenarios.ts'
import { sampleArguments } from './schema-sample.ts'

/** One delta counts as one output token, so a token limit of N leaves exactly N deltas. */
export interface Answer {
  /** The tool that is called; null when the answer is text. */
  readonly toolName: string | null
  /** Joined, they are the text or the JSON of the arguments. Never empty. */
  readonly deltas: readonly string[]
  readonly finish: 'stop' | 'length' | 'tool_call'
}

/** Stands at the start of every text, so that nobody takes it for a model's. */
export const SIMULATED_PREFIX = '[simulated] '
export const LONG_DELTAS = 1000
const MAX_ECHO_BYTES = 4096
const WORD = /\s*\S{1,24}|\s+$/gu
const ARGUMENTS_PIECE = /.{1,4}/gsu
const LONG_WORDS = ['breathe', 'in', 'and', 'out', 'sit', 'still', 'count', 'again', 'from', 'one', 'to', 'ten']

export function composeAnswer(content: Content, request: SimulatedRequest): Answer {
  const whole = composeWhole(content, request)
  if (request.maxOutput === null || whole.deltas.length <= request.maxOutput) return whole
  return { ...whole, deltas: whole.deltas.slice(0, request.maxOutput), finish: 'length' }
}

/** How many deltas go out before a fault: half of them, but at least one. */
export function halfOf(answer: Answer): number {
  return Math.max(1, Math.floor(answer.deltas.length / 2))
}

function composeWhole(content: Content, request: SimulatedRequest): Answer {
  if (content === 'long') return { toolName: null, deltas: longDeltas(), finish: 'stop' }
  if (content === 'tool_call') {
    if (request.hasToolResult) return sayText('The tool has answered. Nothing is left to do.')
    const tool = request.tools[0]
    if (tool !== undefined) {
      const json = JSON.stringify(sampleArguments(tool.schema))
      return { toolName: tool.name, deltas: json.match(ARGUMENTS_PIECE) ?? [json], finish: 'tool_call' }
    }
  }
  return sayText(bounded(request.lastUserText))
}

function sayText(text: string): Answer {
  return { toolName: null, deltas: (SIMULATED_PREFIX + text).match(WORD) ?? [SIMULATED_PREFIX], finish: 'stop' }
}

/** The longest beginning of the text that fits into the bytes without cutting a character. */
function bounded(text: string): string {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(MAX_ECHO_BYTES))
  return text.slice(0, read)
}

function longDeltas(): readonly string[] {
  const words = Array.from({ length: LONG_DELTAS - 1 }, (_, i) => ` ${LONG_WORDS[i % LONG_WORDS.length]}`)
  return [SIMULATED_PREFIX.trimEnd(), ...words]
}
