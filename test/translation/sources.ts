/** Where the vendors' SDKs declare the bodies of the four protocols. */
import type { Protocol } from '../../src/base/words.ts'
import { type Declarations, readDeclarations } from './declarations.ts'
import { type DeclaredField, declaredFields } from './declared-fields.ts'

const MODULES = new URL('../../node_modules/', import.meta.url)

function declarationsOf(...files: readonly string[]): Declarations {
  return readDeclarations(files.map((file) => new URL(file, MODULES)))
}

type IsWhole = (path: string) => boolean

function chatFields(isWhole: IsWhole): DeclaredField[] {
  const declarations = declarationsOf(
    'openai/resources/chat/completions/completions.d.ts',
    'openai/resources/shared.d.ts',
  )
  return declaredFields(declarations, 'ChatCompletionCreateParamsBase', { isWhole })
}

function responsesFields(isWhole: IsWhole): DeclaredField[] {
  const declarations = declarationsOf('openai/resources/responses/responses.d.ts', 'openai/resources/shared.d.ts')
  return declaredFields(declarations, 'ResponseCreateParamsBase', { isWhole })
}

/** Blocks that the SDK lists for every role, but that only an assistant has said. */
const SAID =
  /^messages\[\]<user>\.content\[\](?=<(?:thinking|redacted_thinking|tool_use|server_tool_use|mcp_|compaction|fallback|\w+_tool_result>))/

/** The stable interface and the beta's, which is a superset with names of its own. */
function messagesFields(isWhole: IsWhole): DeclaredField[] {
  const stable = declarationsOf('@anthropic-ai/sdk/resources/messages/messages.d.ts')
  const beta = declarationsOf('@anthropic-ai/sdk/resources/beta/messages/messages.d.ts')
  const placed = (path: string): string =>
    path.replace(/^messages\[\](?=\.)/, 'messages[]<user>').replace(SAID, 'messages[]<assistant>.content[]')
  const fields = [stable, beta].flatMap((from) =>
    declaredFields(from, 'MessageCreateParamsBase', { isWhole: (path) => isWhole(placed(path)) }),
  )
  const named = fields.map((field) => ({ ...field, path: placed(field.path) }))
  return [...new Map(named.toReversed().map((field) => [field.path, field])).values()].toReversed()
}

/** Options of the SDK itself, which it does not send. */
const SDK_ONLY: ReadonlySet<string> = new Set(['httpOptions', 'abortSignal', 'automaticFunctionCalling'])
/** Members of the SDK's flat `config` that stand in the body beside `generationConfig`. */
const BESIDE: ReadonlySet<string> = new Set([
  ...['serviceTier', 'systemInstruction', 'safetySettings', 'tools', 'toolConfig', 'labels', 'cachedContent', 'store'],
  ...['modelArmorConfig', 'continuationToken', 'automaticContinuation'],
])

function googleFields(isWhole: IsWhole): DeclaredField[] {
  const declarations = declarationsOf('@google/genai/dist/genai.d.ts')
  const placed = (path: string): string => {
    const top = /^\w+/.exec(path)?.[0] ?? ''
    if (!BESIDE.has(top)) return `generationConfig.${path}`
    return path.replace(/^tools\[\]<Tool>/, 'tools[]').replace(/^systemInstruction\[\]/, 'systemInstruction.parts[]')
  }
  const seen = new Set<string>(['Content'])
  const contents = declaredFields(declarations, 'Content', { prefix: 'contents[]', isWhole, seen })
  const config = declaredFields(declarations, 'GenerateContentConfig', {
    isWhole: (path) => isWhole(placed(path)),
    seen,
  })
  const generation = declaredFields(declarations, 'GenerationConfig', { prefix: 'generationConfig', isWhole, seen })
  const sent = config.filter(({ path }) => !SDK_ONLY.has(/^\w+/.exec(path)?.[0] ?? ''))
  const all = [...contents, ...sent.map((field) => ({ ...field, path: placed(field.path) })), ...generation]
  // A tool that the SDK calls itself is sent as its declaration.
  const own = all.filter(({ path }) => !path.includes('<CallableTool>'))
  return [...new Map(own.map((field) => [field.path, field])).values()]
}

const READERS: Readonly<Record<Protocol, (isWhole: IsWhole) => DeclaredField[]>> = {
  'openai-chat': chatFields,
  'openai-responses': responsesFields,
  'anthropic-messages': messagesFields,
  'google-generate': googleFields,
}

/** Every field that the protocol's own SDK can send. `isWhole`: paths that are not looked into. */
export function requestFields(protocol: Protocol, isWhole: IsWhole = () => false): DeclaredField[] {
  return READERS[protocol](isWhole)
}
