/** Reads a request's contents and its system instruction. Source: Google "Content", and the short forms of its SDKs. */
import type { IrBlock, IrText } from '../ir/block.ts'
import type { IrMessage } from '../ir/request.ts'
import { unknownMembers } from '../translation/raw.ts'
import { asObject, type WireObject } from '../wire-value.ts'
import { createCallIds, idsIn } from './call-ids.ts'
import { decodeParts, partKind } from './decode-part.ts'
import { camelMembers, invalid } from './wire-name.ts'

/** `function` is an older name for the side that answers calls. */
const ROLES: ReadonlyMap<unknown, 'user' | 'assistant'> = new Map([
  ['user', 'user'],
  ['function', 'user'],
  ['model', 'assistant'],
])

const CONTENT: ReadonlySet<string> = new Set(['role', 'parts'])

/** @throws AppError invalid_request */
export function decodeContents(wire: unknown): IrMessage[] {
  const list = Array.isArray(wire) ? wire : wire === undefined || wire === null ? [] : [wire]
  if (list.length === 0) throw invalid('contents', 'must have at least one entry')
  const contents = list.map(contentOf)
  const ids = createCallIds(idsIn(contents))
  const messages: IrMessage[] = []
  /** The blocks of the last message, while it holds results alone that others may join. */
  let results: IrBlock[] | null = null
  for (const { role, parts, path, raw } of turnsOf(contents)) {
    const blocks = decodeParts(parts, path, { role, ids })
    if (blocks.length === 0) continue
    const isResults = role === 'user' && !raw && blocks.every((block) => block.type === 'tool-result')
    // Results of one turn that each came in a content of its own.
    if (isResults && results !== null) for (const block of blocks) results.push(block)
    else {
      messages.push({ role, blocks, ...(raw && { raw }) })
      results = isResults ? blocks : null
    }
  }
  if (messages.length === 0) throw invalid('contents', 'must have at least one part')
  return messages
}

interface Turn {
  readonly role: 'user' | 'assistant'
  readonly parts: unknown[]
  /** Of the parts of its first content. */
  readonly path: string
  readonly raw: WireObject | undefined
}

/** Google's SDK keeps a streamed turn of the model as one content per chunk: it is one turn all the same. */
function turnsOf(contents: readonly WireObject[]): Turn[] {
  const turns: Turn[] = []
  contents.forEach((content, i) => {
    const role = ROLES.get(content.role ?? 'user')
    if (!role) throw invalid(`contents[${i}].role`, 'must be "user" or "model"')
    const path = `contents[${i}].parts`
    const parts = partsOf(content, path)
    const raw = unknownMembers(content, CONTENT)
    const last = turns.at(-1)
    if (role === 'assistant' && last?.role === role && !raw && !last.raw) {
      for (const part of parts) last.parts.push(part)
    } else turns.push({ role, parts: [...parts], path, raw })
  })
  return turns
}

/** A content, a part or a text alone. */
function contentOf(entry: unknown, i: number): WireObject {
  if (typeof entry === 'string') return { role: 'user', parts: [{ text: entry }] }
  const object = asObject(entry)
  if (!object) throw invalid(`contents[${i}]`, 'must be an object')
  const content = camelMembers(object)
  if (content.parts !== undefined || content.role !== undefined || partKind(content) === null) return content
  return { role: 'user', parts: [content] }
}

function partsOf(content: WireObject, path: string): readonly unknown[] {
  const { parts } = content
  if (parts === undefined || parts === null) return []
  if (Array.isArray(parts)) return parts
  if (typeof parts === 'string' || asObject(parts)) return [parts]
  throw invalid(path, 'must be a list')
}

/** The first text keeps the content's other members, such as a role that means nothing. @throws AppError invalid_request */
export function decodeSystem(wire: unknown): IrText[] {
  if (wire === undefined || wire === null) return []
  if (typeof wire === 'string') return [{ type: 'text', text: wire }]
  const object = asObject(wire)
  if (!object) throw invalid('systemInstruction', 'must be an object or a string')
  const content = contentOf(object, 0)
  const members = unknownMembers(content === object ? object : camelMembers(object), new Set(['parts', 'text']))
  const parts = partsOf(content, 'systemInstruction.parts')
  const ids = createCallIds(new Set())
  const texts = decodeParts(parts, 'systemInstruction.parts', { role: 'user', ids }).map((block, i): IrText => {
    if (block.type !== 'text') throw invalid(`systemInstruction.parts[${i}]`, 'must be a text')
    return block
  })
  const [first, ...others] = texts
  if (!first || !members) return texts
  return [{ ...first, raw: { ...first.raw, [CONTENT_MEMBERS]: members } }, ...others]
}

/** In `raw` of the first system text: members of the content that it stands in. */
export const CONTENT_MEMBERS = 'systemInstruction'
