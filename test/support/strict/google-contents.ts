/** The rules of `generateContent` about its contents: turns, calls and their responses, thought signatures. */
import { asObject, type WireObject } from '../../../src/protocol/wire-value.ts'
import {
  optional,
  readBase64,
  readFilledList,
  readFlag,
  readList,
  readMatch,
  readName,
  readObject,
  readOneOf,
  readOnly,
  readText,
  refuse,
} from './breach.ts'
import { GOOGLE_NAME, type GoogleOptions, isSignedFor } from './google-rules.ts'
import type { Mint } from './mint.ts'

/** Documented for calls that came from another model. */
const DUMMY_SIGNATURE = 'skip_thought_signature_validator'

interface Content {
  readonly role: 'user' | 'model'
  readonly parts: readonly WireObject[]
  readonly path: string
}

export function checkContents(value: unknown, mint: Mint, options: GoogleOptions): void {
  const contents = readFilledList(value, 'contents').map((entry, i) => readContent(entry, `contents[${i}]`))
  contents.forEach((content, i) => {
    const expected = i % 2 === 0 ? 'user' : 'model'
    if (content.role !== expected) refuse(content.path, 'multiturn requests must alternate between user and model')
    checkResponses(content, contents[i - 1])
    if (content.role === 'model') checkSignatures(content, mint, options)
  })
  const last = contents.at(-1)
  if (last?.role === 'model') refuse(last.path, 'single turn requests must end with a user role')
}

function readContent(entry: unknown, path: string): Content {
  const content = readOnly(entry, path, ['role', 'parts'])
  const role = readOneOf(content.role, `${path}.role`, ['user', 'model'])
  const parts = readFilledList(content.parts, `${path}.parts`).map((part, i) => {
    const at = `${path}.parts[${i}]`
    const object = readObject(part, at)
    checkPart(object, at, role)
    return object
  })
  return { role, parts, path }
}

const KINDS = [
  'text',
  'inlineData',
  'fileData',
  'functionCall',
  'functionResponse',
  'executableCode',
  'codeExecutionResult',
]
const SHARED = ['thought', 'thoughtSignature', 'videoMetadata', 'mediaResolution']

function checkPart(part: WireObject, path: string, role: string): void {
  readOnly(part, path, [...KINDS, ...SHARED])
  const kinds = KINDS.filter((kind) => kind in part)
  if (kinds.length !== 1) refuse(path, `oneof field 'data' must have one initialized field, not ${kinds.length}`)
  const [kind] = kinds as [string]
  optional(part.thought, `${path}.thought`, readFlag)
  const isCall = kind === 'functionCall'
  if (isCall && role !== 'model') refuse(path, 'a function call must come from the model')
  if (kind === 'functionResponse' && role !== 'user') refuse(path, 'a function response must come from the user')
  if (role !== 'model' && (part.thoughtSignature !== undefined || part.thought === true)) {
    refuse(path, 'only the model thinks')
  }
  PARTS[kind]?.(part[kind], `${path}.${kind}`, part)
}

const PARTS: Readonly<Record<string, (value: unknown, path: string, part: WireObject) => void>> = {
  text(value, path, part) {
    if (readText(value, path) === '' && part.thoughtSignature === undefined) refuse(path, 'must not be empty')
  },
  inlineData(value, path) {
    const data = readOnly(value, path, ['mimeType', 'data', 'displayName'])
    readMatch(data.mimeType, `${path}.mimeType`, /^[a-z]+\/[\w.+-]+$/)
    readBase64(data.data, `${path}.data`)
  },
  fileData(value, path) {
    const data = readOnly(value, path, ['mimeType', 'fileUri', 'displayName'])
    readName(data.fileUri, `${path}.fileUri`)
  },
  functionCall(value, path) {
    const call = readOnly(value, path, ['id', 'name', 'args'])
    readMatch(call.name, `${path}.name`, GOOGLE_NAME)
    optional(call.args, `${path}.args`, readObject)
    optional(call.id, `${path}.id`, readName)
  },
  functionResponse(value, path) {
    const response = readOnly(value, path, ['id', 'name', 'response', 'parts', 'willContinue', 'scheduling'])
    readMatch(response.name, `${path}.name`, GOOGLE_NAME)
    readObject(response.response, `${path}.response`)
    optional(response.id, `${path}.id`, readName)
    optional(response.parts, `${path}.parts`, (list, at) => {
      readList(list, at).forEach((entry, i) => {
        const inner = readOnly(entry, `${at}[${i}]`, ['inlineData', 'fileData'])
        if (inner.inlineData !== undefined) PARTS.inlineData?.(inner.inlineData, `${at}[${i}].inlineData`, inner)
      })
    })
  },
}

function callsOf(content: Content | undefined, kind: 'functionCall' | 'functionResponse'): readonly WireObject[] {
  return (content?.parts ?? []).map((part) => asObject(part[kind])).filter((member) => member !== null)
}

/** Each call is answered in the next content, by name, and by id where the call has one. */
function checkResponses(content: Content, before: Content | undefined): void {
  if (content.role === 'model') return
  const calls = callsOf(before, 'functionCall')
  const responses = callsOf(content, 'functionResponse')
  if (calls.length !== responses.length) {
    refuse(
      content.path,
      `the number of function response parts (${responses.length}) must equal that of the function call turn (${calls.length})`,
    )
  }
  const open = [...calls]
  for (const { id, name } of responses) {
    const index = open.findIndex((call) => call.name === name && (call.id === undefined || call.id === id))
    if (index === -1)
      refuse(content.path, `no function call matches the response of ${String(name)} ${String(id ?? '')}`)
    open.splice(index, 1)
  }
}

function checkSignatures({ parts, path }: Content, mint: Mint, options: GoogleOptions): void {
  let hasCall = false
  parts.forEach((part, i) => {
    const at = `${path}.parts[${i}]`
    const signature = optional(part.thoughtSignature, `${at}.thoughtSignature`, readText)
    if (part.functionCall !== undefined) {
      if (!hasCall && !signature)
        refuse(at, `function call \`${asObject(part.functionCall)?.name}\` is missing a thought_signature`)
      hasCall = true
    }
    if (signature) checkSignature(signature, part, at, mint, options)
  })
}

function checkSignature(signature: string, part: WireObject, path: string, mint: Mint, options: GoogleOptions): void {
  if (signature === DUMMY_SIGNATURE || Buffer.from(signature, 'base64').toString() === DUMMY_SIGNATURE) {
    if (options.dummySignature) return
    refuse(path, 'invalid thought signature')
  }
  readBase64(signature, `${path}.thoughtSignature`)
  const made = mint.made(signature)
  if (made === null) refuse(path, 'invalid thought signature')
  if (!isSignedFor(made, part)) refuse(path, 'corrupted thought signature: it was made for another part')
}
