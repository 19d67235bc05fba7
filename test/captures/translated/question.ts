/** What a client of another protocol asks so that a case's answer can be shown to it: the least that its features need. */
import type { Case } from '../case.ts'
import { modelIdOf, type World } from '../world.ts'

export interface QuestionTool {
  readonly name: string
  /** Takes free text, where the client's protocol has such tools. */
  readonly isCustom: boolean
}

export interface Question {
  readonly model: string
  readonly stream: boolean
  readonly tools: readonly QuestionTool[]
  /** An answer bound to a schema. */
  readonly wantsJson: boolean
}

export const CONTENT = 'Grüße — say something.'
export const TOOL_SCHEMA = { type: 'object' as const, additionalProperties: true }
export const FORMAT_SCHEMA = { type: 'object' as const, properties: {}, additionalProperties: false }

export function questionFor({ family, name, stream, expected, features }: Case): Question {
  const calls = (expected.tool_calls ?? []).filter(({ name: tool }) => tool !== '')
  const tools = new Map(calls.map((call) => [call.name, call.kind === 'custom']))
  return {
    model: modelIdOf(family, name),
    stream,
    tools: [...tools].map(([tool, isCustom]) => ({ name: tool, isCustom })),
    wantsJson: features.includes('q:json-schema'),
  }
}

/** A connection of one question, which remembers the head of its answer. */
export interface Line {
  readonly baseUrl: string
  readonly key: string
  readonly fetch: typeof fetch
  /** Of the last answer; null when none came. */
  head(): AnswerHead | null
  /** Notes the head of an answer that was not fetched. */
  note(status: number, headers: Readonly<Record<string, unknown>>): void
}

export interface AnswerHead {
  readonly status: number
  readonly requestId: string
}

export function openLine({ gateway }: World): Line {
  let head: AnswerHead | null = null
  const note: Line['note'] = (status, headers) => {
    head = { status, requestId: String(headers['x-request-id']) }
  }
  return {
    baseUrl: gateway.baseUrl,
    key: gateway.apiKey,
    fetch: async (...args) => {
      const response = await fetch(...args)
      note(response.status, Object.fromEntries(response.headers))
      return response
    },
    head: () => head,
    note,
  }
}
