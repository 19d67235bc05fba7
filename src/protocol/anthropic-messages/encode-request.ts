/**
 * Writes the IR as a Messages request for an upstream that checks as strictly as Anthropic does.
 *
 * Source: Anthropic "Create a Message". What came in this protocol goes out as it came, except for what another account
 * signed and what the upstream's quirks say; everything else is brought into Anthropic's order.
 */
import { AppError } from '../../base/errors.ts'
import type { EncodedRequest, UpstreamTarget } from '../codec.ts'
import type { IrMessage, IrRequest, IrSettings } from '../ir/request.ts'
import { splitTools } from '../translation/hosted-tools.ts'
import { encodeRaw } from '../translation/raw.ts'
import { encodeSettings, SETTINGS } from '../translation/settings.ts'
import { hasTopLevelMark, settleCacheMarks } from './cache-marks.ts'
import { isSoundPath } from './decode-request.ts'
import { encodeBlocks, encodeText } from './encode-block.ts'
import { encodeFormat } from './encode-format.ts'
import { encodeThinking, isThinkingConverted } from './encode-thinking.ts'
import { encodeToolChoice, encodeTools } from './encode-tools.ts'
import { asUserText, orderTurns } from './encode-turns.ts'
import {
  createRequestWork,
  fieldOf,
  PROTOCOL,
  type RequestWork,
  type WireDraft,
  type WireMessage,
  warn,
} from './encode-work.ts'

/** @throws AppError unsupported_feature */
export function encodeMessagesRequest(request: IrRequest, target: UpstreamTarget): EncodedRequest {
  const work = createRequestWork(request, target)
  if (request.answers > 1) {
    const param = fieldOf(work, 'answers')
    throw new AppError('unsupported_feature', 'This model gives one answer to a prompt.', { param })
  }
  const { tools: offered, warnings, note } = splitTools(request, PROTOCOL)
  for (const warning of warnings) work.warnings.push(warning)
  const body: WireDraft = { model: target.model }
  const maxOutput = encodeMaxOutput(work)
  if (maxOutput !== null) body.max_tokens = maxOutput
  const tools = encodeTools(work, offered)
  const system = encodeSystem(work, [note, encodeFormat(work, body)])
  const prompt = { tools, ...withFirstMessage(work, system, encodeMessages(work)) }
  writePrompt(work, body, prompt)
  encodePlainSettings(work, body)
  encodeThinking(work, body, prompt.messages)
  settleCacheMarks(work, prompt)
  for (const warning of encodeRaw(keptRaw(work), PROTOCOL, body)) work.warnings.push(warning)
  return { body, warnings: work.warnings }
}

/** A cap is demanded, except of this protocol's own client, who leaves it out to count tokens. */
function encodeMaxOutput(work: RequestWork): number | null {
  const { request, target, isForeign } = work
  const { maxOutput } = request
  if (!isForeign) return maxOutput
  if (maxOutput === null || maxOutput <= 0) return target.maxOutput
  if (maxOutput > target.maxOutput) warn(work, 'changed', fieldOf(work, 'maxOutput'), String(target.maxOutput))
  return Math.min(maxOutput, target.maxOutput)
}

function encodeSystem(work: RequestWork, notes: readonly (string | null)[]): WireDraft[] {
  const drafts = work.request.system.flatMap((block, i): WireDraft[] => {
    const draft = encodeText(work, block, `system[${i}]`)
    return draft ? [draft] : []
  })
  for (const text of notes) if (text !== null) drafts.push({ type: 'text', text })
  return drafts
}

function encodeMessages(work: RequestWork): WireMessage[] {
  const messages = work.request.messages.flatMap((message, i) => encodeMessage(work, message, i))
  return work.isForeign ? orderTurns(work, messages) : messages
}

/** None when nothing is left of it. */
function encodeMessage(work: RequestWork, message: IrMessage, index: number): WireMessage[] {
  const { role, name, raw } = message
  const drafts = encodeBlocks(work, message, index)
  if (drafts.length === 0 && (work.isForeign || message.blocks.length > 0)) return []
  if (name !== undefined) warn(work, 'dropped', `${fieldOf(work, 'messages')}[${index}].name`)
  const own = work.isForeign ? undefined : raw
  if (role !== 'system' || takesMidSystem(work)) return [{ role, blocks: drafts, index, raw: own }]
  return [{ role: 'user', blocks: asUserText(work, drafts, index), index, raw: own }]
}

/** Unless the upstream is declared to refuse them, this protocol's own clients know what they send. */
function takesMidSystem({ target, isForeign }: RequestWork): boolean {
  return target.quirks.midSystemMessages ?? !isForeign
}

/** A conversation of instructions only: they are the user's first message, as there must be one. */
function withFirstMessage(
  work: RequestWork,
  system: WireDraft[],
  messages: WireMessage[],
): { system: WireDraft[]; messages: WireMessage[] } {
  if (!work.isForeign || messages.length > 0 || system.length === 0) return { system, messages }
  warn(work, 'changed', 'system', 'became the first message, as there is no other')
  return { system: [], messages: [{ role: 'user', blocks: system, index: 0 }] }
}

interface Prompt {
  readonly tools: readonly WireDraft[]
  readonly system: readonly WireDraft[]
  readonly messages: readonly WireMessage[]
}

function writePrompt(work: RequestWork, body: WireDraft, { tools, system, messages }: Prompt): void {
  if (system.length > 0) body.system = system
  body.messages = messages.map(({ role, blocks, raw }) => ({ role, content: blocks, ...raw }))
  if (tools.length > 0) body.tools = tools
  const choice = encodeToolChoice(work, tools)
  if (choice) body.tool_choice = choice
  if (work.request.stream) body.stream = true
}

function encodePlainSettings(work: RequestWork, body: WireDraft): void {
  const { request, target } = work
  const { ownVendor = false, dropSettings = [] } = target.quirks
  const settings = work.isForeign ? legalSettings(work, request.settings, ownVendor) : request.settings
  const places = { source: request.source, target: PROTOCOL, drop: dropSettings, ownVendor } as const
  work.warnings.push(...encodeSettings(settings, places, body))
}

/** Temperatures go up to 1 here, blank stop sequences are refused, and so are two ways of sampling at once. */
function legalSettings(work: RequestWork, settings: IrSettings, ownVendor: boolean): IrSettings {
  const { temperature, topP, stop, ...rest } = settings
  const field = (name: keyof IrSettings): string => SETTINGS[name].place[work.request.source] ?? name
  const stops = stop?.filter((sequence) => sequence.trim() !== '')
  if (stop && stops && stops.length < stop.length) warn(work, 'dropped', field('stop'), 'blank sequences')
  if (temperature !== undefined && temperature > 1) warn(work, 'changed', field('temperature'), '1')
  const hasBoth = ownVendor && temperature !== undefined && topP !== undefined
  if (hasBoth && topP !== 1) warn(work, 'dropped', field('topP'), 'temperature is given')
  return {
    ...rest,
    ...(temperature !== undefined && { temperature: Math.min(temperature, 1) }),
    ...(topP !== undefined && !hasBoth && { topP }),
    ...(stops && stops.length > 0 && { stop: stops }),
  }
}

/** Without members that belong to a form of thinking, or to marks, that the upstream does not take. */
function keptRaw(work: RequestWork): IrRequest {
  const { request, target } = work
  const isThinkingGone = isThinkingConverted(work)
  const isMarkGone = target.quirks.cacheMarks === 'none' && hasTopLevelMark(work)
  const isFormatGone = (target.quirks.structuredOutput ?? 'json_schema') !== 'json_schema' && !work.isForeign
  const entries = Object.entries(request.raw).filter(([path]) => {
    const isGone =
      // A name with dots would be written to another place than it came from.
      (!work.isForeign && !isSoundPath(path)) ||
      (isThinkingGone && path.startsWith('thinking.')) ||
      (isMarkGone && path === 'cache_control') ||
      (isFormatGone && path === 'output_format')
    if (isGone && path !== 'output_format') warn(work, 'dropped', path)
    return !isGone
  })
  return { ...request, raw: Object.fromEntries(entries) }
}
