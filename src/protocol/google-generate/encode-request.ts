/** Writes a request for an upstream of Google's protocol. Source: Google "GenerateContentRequest". */
import type { EncodedRequest, UpstreamTarget } from '../codec.ts'
import type { IrBlock, IrText } from '../ir/block.ts'
import type { IrRequest } from '../ir/request.ts'
import { splitTools } from '../translation/hosted-tools.ts'
import { encodeRaw } from '../translation/raw.ts'
import { encodeSettings } from '../translation/settings.ts'
import { asObject, type WireObject } from '../wire-value.ts'
import { CONTENT_MEMBERS } from './decode-content.ts'
import { encodeConfig } from './encode-config.ts'
import { encodeContents } from './encode-content.ts'
import { encodeToolChoice, encodeTools } from './encode-tool.ts'
import { createNotes, type Notes } from './notes.ts'
import { withRaw } from './wire-name.ts'

/** Model and streaming stand in the path, not in the body. @throws AppError unsupported_feature */
export function encodeRequest(request: IrRequest, { account, quirks }: UpstreamTarget): EncodedRequest {
  const notes = createNotes()
  const isOwn = request.source === 'google-generate'
  const { tools, warnings, note } = splitTools(request, 'google-generate')
  notes.add(warnings)
  const contents = encodeContents(request, {
    isOwn,
    account,
    fileUrls: quirks.fileUrls ?? true,
    resultMedia: quirks.toolResultImages ?? true,
    notes,
  })
  const system = encodeSystem(request.system, note, isOwn)
  const isBare = contents.length === 0 && system !== null
  if (isBare) notes.changed('messages', 'the system prompt is sent as text of the user')
  const body: Record<string, unknown> = {
    contents: isBare ? [{ role: 'user', parts: system.parts }] : contents,
    ...(system && !isBare && { systemInstruction: system }),
    ...(tools.length > 0 && { tools: encodeTools(tools, request, notes) }),
    generationConfig: encodeConfig(request, quirks, notes),
  }
  const calling = request.toolChoice && tools.length > 0 ? encodeToolChoice(request.toolChoice, request) : null
  const ownCalling = isOwn && request.toolChoice ? encodeToolChoice(request.toolChoice, request) : null
  const functionCallingConfig = calling ?? ownCalling
  if (functionCallingConfig) body.toolConfig = { functionCallingConfig }
  encodeRest(request, quirks, body, notes)
  if (Object.keys(asObject(body.generationConfig) ?? {}).length === 0) delete body.generationConfig
  return { body, warnings: notes.warnings }
}

function encodeSystem(texts: readonly IrText[], note: string | null, isOwn: boolean): { parts: WireObject[] } | null {
  const [first] = texts
  const members = isOwn ? asObject(first?.raw?.[CONTENT_MEMBERS]) : null
  const parts: WireObject[] = texts.flatMap(({ text, raw }): WireObject[] => {
    if (!isOwn) return text === '' ? [] : [{ text }]
    const { [CONTENT_MEMBERS]: _content, ...own } = raw ?? {}
    return [withRaw({ text }, own)]
  })
  if (note !== null) parts.push({ text: note })
  return parts.length === 0 ? null : { parts, ...members }
}

/** More are refused. */
const MAX_STOPS = 5

/** Settings, members without a word, and what has no place at all. */
function encodeRest(
  request: IrRequest,
  quirks: UpstreamTarget['quirks'],
  body: Record<string, unknown>,
  notes: Notes,
): void {
  const { source } = request
  let { settings } = request
  if (source !== 'google-generate') {
    if (settings.stop && settings.stop.length > MAX_STOPS) {
      notes.changed(source === 'anthropic-messages' ? 'stop_sequences' : 'stop', `the first ${MAX_STOPS}`)
      settings = { ...settings, stop: settings.stop.slice(0, MAX_STOPS) }
    }
    if (request.parallelTools === false && request.tools.length > 0) {
      notes.dropped(source === 'anthropic-messages' ? 'tool_choice.disable_parallel_tool_use' : 'parallel_tool_calls')
    }
    const marked = cacheMarkOf(request)
    if (marked !== null) notes.dropped(marked, 'caches are made without marks')
  }
  const drop = quirks.dropSettings ?? []
  const ownVendor = quirks.ownVendor ?? false
  notes.add(encodeSettings(settings, { source, target: 'google-generate', drop, ownVendor }, body))
  notes.add(encodeRaw(request, 'google-generate', body))
}

/** Where the first cache mark stands; null when there is none. */
function cacheMarkOf({ system, messages, tools }: IrRequest): string | null {
  const at = tools.findIndex((tool) => tool.type !== 'hosted' && tool.cache)
  if (at >= 0) return `tools[${at}].cache_control`
  const systemAt = system.findIndex((block) => block.cache)
  if (systemAt >= 0) return `system[${systemAt}].cache_control`
  for (const [i, { blocks }] of messages.entries()) {
    const blockAt = blocks.findIndex(isMarked)
    if (blockAt >= 0) return `messages[${i}].content[${blockAt}].cache_control`
  }
  return null
}

function isMarked(block: IrBlock): boolean {
  if (block.cache) return true
  return block.type === 'tool-result' && block.content.some(isMarked)
}
