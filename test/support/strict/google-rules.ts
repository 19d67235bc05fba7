/**
 * The rules by which Gemini 3 refuses a `generateContent` request: all members are known, schemas are of its subset.
 *
 * Sources: Google "GenerateContentRequest", "GenerationConfig", "FunctionDeclaration", "Schema"; PP-50, PP-51.
 */
import { isDeepStrictEqual } from 'node:util'
import { asObject, type WireObject } from '../../../src/protocol/wire-value.ts'
import {
  optional,
  readFilledList,
  readFlag,
  readInteger,
  readList,
  readMatch,
  readName,
  readNumber,
  readObject,
  readOneOf,
  readOnly,
  readText,
  refuse,
} from './breach.ts'
import { checkContents } from './google-contents.ts'
import type { Mint } from './mint.ts'

export interface GoogleOptions {
  /** Whether calls have ids, as in newer models. Default false. */
  readonly callIds?: boolean
  /** Whether `skip_thought_signature_validator` is taken for calls of other models. Default false. */
  readonly dummySignature?: boolean
}

const MEMBERS = [
  'contents',
  'systemInstruction',
  'tools',
  'toolConfig',
  'safetySettings',
  'generationConfig',
  'cachedContent',
  'serviceTier',
  'store',
]
const CONFIG_MEMBERS = [
  'candidateCount',
  'stopSequences',
  'maxOutputTokens',
  'temperature',
  'topP',
  'topK',
  'seed',
  'presencePenalty',
  'frequencyPenalty',
  'responseMimeType',
  'responseSchema',
  'responseJsonSchema',
  'responseLogprobs',
  'logprobs',
  'responseModalities',
  'speechConfig',
  'thinkingConfig',
  'mediaResolution',
  'imageConfig',
]
export const GOOGLE_NAME = /^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$/

/** What a signature on a call is made for. */
export function signedCall({ name, args }: { readonly name: unknown; readonly args: unknown }): string {
  return `call ${String(name)} ${JSON.stringify(sortedKeys(args ?? {}))}`
}

/** What a signature on the text at the end of a turn is made for. */
export function signedText(): string {
  return 'text'
}

function sortedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedKeys)
  const object = asObject(value)
  if (!object) return value
  return Object.fromEntries(
    Object.entries(object)
      .sort()
      .map(([key, member]) => [key, sortedKeys(member)]),
  )
}

export function checkGoogle(key: unknown, body: WireObject, mint: Mint, options: GoogleOptions): void {
  readName(key, 'header x-goog-api-key')
  readOnly(body, '', MEMBERS)
  optional(body.systemInstruction, 'systemInstruction', checkSystem)
  const names = checkTools(body)
  optional(body.toolConfig, 'toolConfig', (value, path) => checkToolConfig(value, path, names))
  optional(body.generationConfig, 'generationConfig', checkConfig)
  optional(body.safetySettings, 'safetySettings', readList)
  checkContents(body.contents, mint, options)
}

function checkSystem(value: unknown, path: string): void {
  const { parts } = readOnly(value, path, ['role', 'parts'])
  readFilledList(parts, `${path}.parts`).forEach((entry, i) => {
    const at = `${path}.parts[${i}]`
    readName(readOnly(entry, at, ['text']).text, `${at}.text`)
  })
}

const HOSTED = [
  'googleSearch',
  'googleSearchRetrieval',
  'codeExecution',
  'urlContext',
  'googleMaps',
  'computerUse',
  'fileSearch',
]

function checkTools(body: WireObject): ReadonlySet<string> {
  const names = new Set<string>()
  const tools = body.tools === undefined ? [] : readList(body.tools, 'tools')
  tools.forEach((entry, i) => {
    const path = `tools[${i}]`
    const tool = readOnly(entry, path, ['functionDeclarations', ...HOSTED])
    optional(tool.functionDeclarations, `${path}.functionDeclarations`, (value, at) => {
      readFilledList(value, at).forEach((declaration, j) => {
        const name = checkDeclaration(declaration, `${at}[${j}]`)
        if (names.has(name)) refuse(`${at}[${j}].name`, `duplicate function declaration found: ${name}`)
        names.add(name)
      })
    })
  })
  return names
}

function checkDeclaration(value: unknown, path: string): string {
  const members = [
    'name',
    'description',
    'parameters',
    'parametersJsonSchema',
    'response',
    'responseJsonSchema',
    'behavior',
  ]
  const declaration = readOnly(value, path, members)
  optional(declaration.description, `${path}.description`, readText)
  if (declaration.parameters !== undefined && declaration.parametersJsonSchema !== undefined) {
    refuse(path, 'takes parameters or parametersJsonSchema')
  }
  optional(declaration.parameters, `${path}.parameters`, (schema, at) => {
    checkSchema(schema, at, OPENAPI_WORDS)
    const { type, properties } = readObject(schema, at)
    if (!/^object$/i.test(String(type))) refuse(at, 'schema should be of type OBJECT')
    if (Object.keys(asObject(properties) ?? {}).length === 0)
      refuse(`${at}.properties`, 'should be non-empty for OBJECT type')
  })
  optional(declaration.parametersJsonSchema, `${path}.parametersJsonSchema`, (schema, at) => {
    checkSchema(schema, at, JSON_SCHEMA_WORDS)
    if (readObject(schema, at).type !== 'object') refuse(at, 'schema should be of type object')
  })
  return readMatch(declaration.name, `${path}.name`, GOOGLE_NAME)
}

/** `Schema` knows these. */
const OPENAPI_WORDS =
  'type format title description nullable enum maxItems minItems properties required minProperties maxProperties minLength maxLength pattern example anyOf propertyOrdering default items minimum maximum'.split(
    ' ',
  )
/** What Google documents for JSON Schema. */
const JSON_SCHEMA_WORDS =
  '$id $defs $ref $anchor type format title description enum items prefixItems minItems maxItems minimum maximum anyOf oneOf properties additionalProperties required propertyOrdering'.split(
    ' ',
  )

function checkSchema(value: unknown, path: string, words: readonly string[]): void {
  const schema = readOnly(value, path, words)
  if ('$ref' in schema && Object.keys(schema).some((word) => !word.startsWith('$'))) {
    refuse(path, 'no other properties may be set beside $ref')
  }
  for (const [name, inner] of Object.entries(asObject(schema.properties) ?? {})) {
    checkSchema(inner, `${path}.properties.${name}`, words)
  }
  for (const [name, inner] of Object.entries(asObject(schema.$defs) ?? {}))
    checkSchema(inner, `${path}.$defs.${name}`, words)
  for (const word of ['anyOf', 'oneOf', 'prefixItems']) {
    optional(schema[word], `${path}.${word}`, (list, at) => {
      readFilledList(list, at).forEach((inner, i) => {
        checkSchema(inner, `${at}[${i}]`, words)
      })
    })
  }
  optional(schema.items, `${path}.items`, (inner, at) => checkSchema(inner, at, words))
  if (asObject(schema.additionalProperties))
    checkSchema(schema.additionalProperties, `${path}.additionalProperties`, words)
  checkLists(schema, path)
}

function checkLists(schema: WireObject, path: string): void {
  const known = Object.keys(asObject(schema.properties) ?? {})
  optional(schema.required, `${path}.required`, (list, at) => {
    for (const name of readList(list, at)) {
      if (!known.includes(String(name))) refuse(at, `property is not defined: ${name}`)
    }
  })
  optional(schema.enum, `${path}.enum`, (list, at) => {
    readFilledList(list, at).forEach((entry, i) => {
      if (typeof entry !== 'string' && typeof entry !== 'number') refuse(`${at}[${i}]`, 'must be a string or a number')
    })
  })
}

function checkToolConfig(value: unknown, path: string, names: ReadonlySet<string>): void {
  const config = readOnly(value, path, ['functionCallingConfig', 'retrievalConfig', 'includeServerSideToolInvocations'])
  optional(config.functionCallingConfig, `${path}.functionCallingConfig`, (entry, at) => {
    const { mode, allowedFunctionNames } = readOnly(entry, at, ['mode', 'allowedFunctionNames'])
    readOneOf(mode, `${at}.mode`, ['AUTO', 'ANY', 'NONE', 'VALIDATED'])
    optional(allowedFunctionNames, `${at}.allowedFunctionNames`, (list, where) => {
      if (mode !== 'ANY' && mode !== 'VALIDATED') refuse(where, 'should only be set when the mode is ANY or VALIDATED')
      for (const name of readFilledList(list, where)) {
        if (!names.has(String(name))) refuse(where, `no such function is declared: ${name}`)
      }
    })
  })
}

function checkConfig(value: unknown, path: string): void {
  const config = readOnly(value, path, CONFIG_MEMBERS)
  const number = (name: string, min: number, max: number): void => {
    optional(config[name], `${path}.${name}`, (entry, at) => readNumber(entry, at, min, max))
  }
  number('temperature', 0, 2)
  number('topP', 0, 1)
  number('presencePenalty', -2, 2)
  number('frequencyPenalty', -2, 2)
  optional(config.topK, `${path}.topK`, (entry, at) => readInteger(entry, at, 1))
  optional(config.candidateCount, `${path}.candidateCount`, (entry, at) => readInteger(entry, at, 1, 8))
  optional(config.maxOutputTokens, `${path}.maxOutputTokens`, (entry, at) => readInteger(entry, at, 1))
  optional(config.seed, `${path}.seed`, (entry, at) => readInteger(entry, at, -(2 ** 31), 2 ** 31 - 1))
  optional(config.stopSequences, `${path}.stopSequences`, (entry, at) => {
    if (readList(entry, at).length > 5) refuse(at, 'takes five sequences at most')
  })
  checkAnswerFormat(config, path)
  optional(config.thinkingConfig, `${path}.thinkingConfig`, checkThinking)
}

function checkAnswerFormat(config: WireObject, path: string): void {
  const mime = optional(config.responseMimeType, `${path}.responseMimeType`, (entry, at) =>
    readOneOf(entry, at, ['text/plain', 'application/json', 'text/x.enum']),
  )
  for (const [name, words] of [
    ['responseSchema', OPENAPI_WORDS],
    ['responseJsonSchema', JSON_SCHEMA_WORDS],
  ] as const) {
    optional(config[name], `${path}.${name}`, (schema, at) => {
      if (mime !== 'application/json') refuse(at, 'needs responseMimeType application/json')
      checkSchema(schema, at, words)
    })
  }
  if (config.responseSchema !== undefined && config.responseJsonSchema !== undefined) {
    refuse(path, 'takes responseSchema or responseJsonSchema')
  }
}

function checkThinking(value: unknown, path: string): void {
  const thinking = readOnly(value, path, ['includeThoughts', 'thinkingBudget', 'thinkingLevel'])
  optional(thinking.includeThoughts, `${path}.includeThoughts`, readFlag)
  optional(thinking.thinkingBudget, `${path}.thinkingBudget`, (entry, at) => readInteger(entry, at, -1, 32_768))
  optional(thinking.thinkingLevel, `${path}.thinkingLevel`, (entry, at) => {
    readOneOf(String(entry).toLowerCase(), at, ['minimal', 'low', 'medium', 'high'])
  })
  if (thinking.thinkingBudget !== undefined && thinking.thinkingLevel !== undefined) {
    refuse(path, 'thinkingBudget and thinkingLevel may not be set together')
  }
}

/** Whether a signature that was made for `made` may stand on this part. */
export function isSignedFor(made: string, part: WireObject): boolean {
  const subject = made.slice(made.indexOf(' ') + 1)
  const call = asObject(part.functionCall)
  if (!call) return subject === signedText() && typeof part.text === 'string' && part.thought !== true
  return isDeepStrictEqual(subject, signedCall({ name: call.name, args: call.args }))
}
