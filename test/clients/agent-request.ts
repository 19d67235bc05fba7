/** Reads what an upstream was sent for an agent: the tools on offer, and the results that came back. In all protocols. */
import type { Protocol } from '../../src/base/words.ts'
import { asArray, asObject, type WireObject } from '../../src/protocol/wire-value.ts'

export interface OfferedTool {
  readonly name: string
  /** The required members of its input. */
  readonly required: readonly string[]
}

export interface ToolResult {
  /** Google's may have none. */
  readonly callId: string | null
  readonly text: string
}

interface Reader {
  tools(body: WireObject): OfferedTool[]
  /** In the order in which they stand in the conversation. */
  results(body: WireObject): ToolResult[]
  /** The JSON schema that the answer must fit; null when it may be text. */
  format(body: WireObject): WireObject | null
}

const READERS: Readonly<Record<Protocol, Reader>> = {
  'openai-chat': {
    tools: (body) => objectsOf(body.tools).map(({ function: tool }) => toolOf(objectOf(tool), 'parameters')),
    results: (body) =>
      objectsOf(body.messages)
        .filter(({ role }) => role === 'tool')
        .map(({ tool_call_id: id, content }) => resultOf(id, content)),
    format: (body) => asObject(objectOf(objectOf(body.response_format).json_schema).schema),
  },
  'anthropic-messages': {
    tools: (body) => objectsOf(body.tools).map((tool) => toolOf(tool, 'input_schema')),
    results: (body) =>
      objectsOf(body.messages)
        .flatMap(({ content }) => objectsOf(content))
        .filter(({ type }) => type === 'tool_result')
        .map(({ tool_use_id: id, content }) => resultOf(id, content)),
    format: (body) => asObject(objectOf(objectOf(body.output_config).format).schema),
  },
  'openai-responses': {
    tools: (body) =>
      [...objectsOf(body.tools), ...objectsOf(body.input).flatMap(({ tools }) => objectsOf(tools))]
        .flatMap((tool) => (tool.type === 'namespace' ? objectsOf(tool.tools) : [tool]))
        .map((tool) => toolOf(tool, 'parameters')),
    results: (body) =>
      objectsOf(body.input)
        .filter(({ type }) => /^(?:function|custom_tool)_call_output$/.test(String(type)))
        .map(({ call_id: id, output }) => resultOf(id, output)),
    format: (body) => asObject(objectOf(objectOf(body.text).format).schema),
  },
  'google-generate': {
    tools: (body) =>
      objectsOf(body.tools)
        .flatMap(({ functionDeclarations }) => objectsOf(functionDeclarations))
        .map((tool) => toolOf(tool, 'parametersJsonSchema' in tool ? 'parametersJsonSchema' : 'parameters')),
    results: (body) =>
      objectsOf(body.contents)
        .flatMap(({ parts }) => objectsOf(parts))
        .map(({ functionResponse }) => asObject(functionResponse))
        .filter((response) => response !== null)
        .map(({ id, response }) => resultOf(id, response)),
    format: (body) => {
      const config = objectOf(body.generationConfig)
      return asObject(config.responseJsonSchema ?? config.responseSchema)
    },
  },
}

export function offeredTools(protocol: Protocol, body: WireObject): OfferedTool[] {
  return READERS[protocol].tools(body)
}

export function toolResults(protocol: Protocol, body: WireObject): ToolResult[] {
  return READERS[protocol].results(body)
}

export function demandedSchema(protocol: Protocol, body: WireObject): WireObject | null {
  return READERS[protocol].format(body)
}

function toolOf(tool: WireObject, schemaName: string): OfferedTool {
  const { required } = objectOf(tool[schemaName])
  return { name: String(tool.name), required: asArray(required).map(String) }
}

function resultOf(id: unknown, content: unknown): ToolResult {
  return { callId: typeof id === 'string' ? id : null, text: JSON.stringify(content ?? '') }
}

function objectsOf(value: unknown): WireObject[] {
  return asArray(value).map(objectOf)
}

function objectOf(value: unknown): WireObject {
  return asObject(value) ?? {}
}
