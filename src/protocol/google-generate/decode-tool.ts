/** Reads tools and how they may be called. Source: Google "Tool", "FunctionDeclaration", "FunctionCallingConfig". */
import type { IrFunctionTool, IrTool, IrToolChoice } from '../ir/request.ts'
import { unknownMembers } from '../translation/raw.ts'
import { asArray, asObject, asText, type WireObject } from '../wire-value.ts'
import { jsonSchemaOf } from './schema.ts'
import { camelMembers, invalid, nameAt, objectAt } from './wire-name.ts'

/** @throws AppError invalid_request */
export function decodeTools(wire: unknown): IrTool[] {
  const entries = Array.isArray(wire) ? wire : asObject(wire) ? [wire] : []
  return entries.flatMap((entry, i) => {
    const object = asObject(entry)
    if (!object) throw invalid(`tools[${i}]`, 'must be an object')
    return decodeTool(camelMembers(object), `tools[${i}]`)
  })
}

/** One object holds any number of functions, and tools that Google runs itself. */
function decodeTool(tool: WireObject, path: string): IrTool[] {
  return Object.entries(tool).flatMap(([kind, value]): IrTool[] => {
    if (value === null || value === undefined) return []
    if (kind !== 'functionDeclarations') {
      return [{ type: 'hosted', protocol: 'google-generate', kind, value: { [kind]: value } }]
    }
    if (!Array.isArray(value)) throw invalid(`${path}.${kind}`, 'must be a list')
    return value.map((entry, i) => decodeFunction(entry, `${path}.${kind}[${i}]`))
  })
}

const DECLARATION: ReadonlySet<string> = new Set(['name', 'description', 'parameters', 'parametersJsonSchema'])

/** `raw` keeps the schema as it came when it was not plain JSON Schema in its newer place. */
function decodeFunction(entry: unknown, path: string): IrFunctionTool {
  const object = asObject(entry)
  if (!object) throw invalid(path, 'must be an object')
  const declaration = camelMembers(object)
  const description = asText(declaration.description)
  const isOwnDialect = asObject(declaration.parameters) !== null
  const place = isOwnDialect ? 'parameters' : 'parametersJsonSchema'
  const schema = asObject(declaration[place])
  const parameters = schema && jsonSchemaOf(schema)
  const rest = unknownMembers(declaration, DECLARATION)
  const raw = isOwnDialect || parameters !== schema ? { ...rest, [place]: schema } : rest
  return {
    type: 'function',
    name: nameAt(declaration, 'name', `${path}.name`),
    ...(description !== null && { description }),
    parameters,
    ...(raw && { raw }),
  }
}

export interface DecodedToolConfig {
  readonly toolChoice: IrToolChoice | null
  /** What has no word, by path. */
  readonly raw: Readonly<Record<string, unknown>>
}

const PLACE = 'toolConfig.functionCallingConfig'

/** @throws AppError invalid_request */
export function decodeToolConfig(toolConfig: WireObject): DecodedToolConfig {
  const config = objectAt(toolConfig, 'functionCallingConfig', PLACE)
  if (!config) return { toolChoice: null, raw: {} }
  const raw: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(unknownMembers(config, CALLING) ?? {})) raw[`${PLACE}.${key}`] = value
  const names = asArray(config.allowedFunctionNames).filter((name) => typeof name === 'string')
  const mode = asText(config.mode)?.toUpperCase()
  const toolChoice = choiceOf(mode, names)
  // The model is as free as with AUTO, but held to the schemas.
  const isUnnamed = mode !== undefined && !MODES.has(mode)
  if (isUnnamed || (mode === 'VALIDATED' && names.length === 0)) raw[`${PLACE}.mode`] = mode
  return { toolChoice, raw }
}

const CALLING: ReadonlySet<string> = new Set(['mode', 'allowedFunctionNames'])
const MODES: ReadonlySet<string> = new Set(['AUTO', 'ANY', 'NONE', 'VALIDATED', 'MODE_UNSPECIFIED'])

function choiceOf(mode: string | undefined, names: readonly string[]): IrToolChoice | null {
  const [only] = names
  switch (mode) {
    case 'NONE':
      return { type: 'none' }
    case 'ANY':
      if (only === undefined) return { type: 'required' }
      return names.length === 1
        ? { type: 'tool', kind: 'function', name: only }
        : { type: 'allowed', mode: 'required', names }
    case 'AUTO':
    case 'VALIDATED':
      return only === undefined ? { type: 'auto' } : { type: 'allowed', mode: 'auto', names }
    default:
      return null
  }
}
