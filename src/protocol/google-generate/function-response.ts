/**
 * What a tool answered, between Google's `response` object and text.
 *
 * Source: Google "FunctionResponse": `output` and `error` are the keys for result and fault; without them the whole
 * object is the result. The AI SDK writes `{name, content}`.
 */
import { isNestedTooDeeply } from '../openai-chat/json-depth.ts'
import { asObject, asText, type WireObject } from '../wire-value.ts'
import { jsonText } from './wire-name.ts'

export interface ToolAnswer {
  readonly text: string
  readonly isError: boolean
}

/** Null when the object is nested too deeply. */
export function readFunctionResponse(response: WireObject, name: string | null): ToolAnswer | null {
  const keys = Object.keys(response)
  const [key] = keys
  if (keys.length === 1 && (key === 'output' || key === 'result')) return answer(response[key], false)
  if (keys.length === 1 && key === 'error') return answer(response.error, true)
  const isNamed = keys.length === 2 && 'content' in response && response.name === name && name !== null
  return answer(isNamed ? response.content : response, false)
}

function answer(value: unknown, isError: boolean): ToolAnswer | null {
  const text = asText(value) ?? jsonText(value)
  return text === null ? null : { text, isError }
}

export function writeFunctionResponse({ text, isError }: ToolAnswer): WireObject {
  if (isError) return { error: text }
  return parsedObject(text) ?? { output: text }
}

/** Numbers that JavaScript would change when it reads them. */
const LONG_NUMBER = /\d{16}/

/** The object that a text is the JSON of, when nothing is lost by reading it. */
function parsedObject(text: string): WireObject | null {
  const trimmed = text.trim()
  if (!trimmed.startsWith('{') || !trimmed.endsWith('}') || LONG_NUMBER.test(trimmed)) return null
  if (isNestedTooDeeply(trimmed)) return null
  try {
    return asObject(JSON.parse(trimmed))
  } catch {
    return null
  }
}
