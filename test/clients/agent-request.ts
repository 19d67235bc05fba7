/** Reads what an agent sent: the tools that it offers, and the results that it brings back. In both protocols. */
import type { ScriptedRequest } from '../support/scripted-provider.ts'

export interface OfferedTool {
  readonly name: string
  /** The required members of its input. */
  readonly required: readonly string[]
}

export function offeredTools({ protocol, body }: ScriptedRequest): OfferedTool[] {
  return objectsOf(body.tools).map((tool) => {
    const described = protocol === 'openai-chat' ? objectOf(tool.function) : tool
    const schema = objectOf(protocol === 'openai-chat' ? described.parameters : described.input_schema)
    return { name: String(described.name), required: Array.isArray(schema.required) ? schema.required.map(String) : [] }
  })
}

export interface ToolResult {
  readonly callId: string
  readonly text: string
}

/** In the order in which they stand in the conversation. */
export function toolResults({ protocol, body }: ScriptedRequest): ToolResult[] {
  const messages = objectsOf(body.messages)
  const isChat = protocol === 'openai-chat'
  const results = isChat
    ? messages.filter(({ role }) => role === 'tool')
    : messages.flatMap(({ content }) => objectsOf(content)).filter(({ type }) => type === 'tool_result')
  return results.map((result) => ({
    callId: String(isChat ? result.tool_call_id : result.tool_use_id),
    text: JSON.stringify(result.content ?? ''),
  }))
}

function objectsOf(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.map(objectOf) : []
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
