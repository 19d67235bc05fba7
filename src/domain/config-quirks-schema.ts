/** The schema of `quirks`: what an upstream does differently from its protocol's own vendor (`base/quirks.ts`). */
import { z } from 'zod'
import type { Quirks } from '../base/quirks.ts'
import { flag, protocol } from './config-defaults.ts'
import { text } from './config-values.ts'

/** One of a few words; the refusal names them all. */
function word<const T extends readonly string[]>(words: T) {
  return z.enum(words, { error: `expected one of ${words.join(', ')}` })
}

/** What an upstream takes or refuses. An empty list is a statement too: of `betas` none is sent, of the others nothing is special. */
function list<T extends z.ZodType>(item: T) {
  return z.array(item).refine((items) => new Set(items).size === items.length, {
    error: 'must not name the same thing twice',
  })
}

const EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const
const DROPPABLE = ['temperature', 'topP', 'topK', 'seed', 'presencePenalty', 'frequencyPenalty', 'stop'] as const

export const quirksEntry = z.strictObject({
  ownVendor: flag
    .optional()
    .describe("The upstream is the protocol's own vendor and takes all members that it documents.")
    .meta({ default: false }),
  maxTokensField: word(['max_tokens', 'max_completion_tokens'])
    .optional()
    .describe('Chat: how the cap on output is spelled.')
    .meta({ default: 'max_tokens' }),
  systemRole: word(['system', 'developer'])
    .optional()
    .describe('Chat: the role of the system prompt.')
    .meta({ default: 'system' }),
  reasoningField: word(['reasoning_content', 'reasoning', 'reasoning_details', 'content_parts', 'none'])
    .optional()
    .describe('Chat: the member of an assistant message that takes its reasoning back.')
    .meta({ default: 'reasoning_content' }),
  reasoningRequired: flag
    .optional()
    .describe('Chat: an assistant message that calls tools must carry its reasoning, empty when it is not known.')
    .meta({ default: false }),
  reasoningControl: word(['effort', 'thinking', 'enable_thinking', 'reasoning', 'none'])
    .optional()
    .describe(
      'Chat: how thinking is asked for: `reasoning_effort`, `thinking: {type}`, `enable_thinking` with `thinking_budget`, `reasoning: {effort, max_tokens}`, or not at all.',
    )
    .meta({ default: 'effort' }),
  efforts: list(word(EFFORTS))
    .optional()
    .describe('The efforts that are taken; others are brought to the nearest. Absent or empty: all are passed on.'),
  thinkingForm: word(['budget', 'adaptive', 'none'])
    .optional()
    .describe('Messages: the form of `thinking` that the model takes.')
    .meta({ default: 'budget' }),
  structuredOutput: word(['json_schema', 'json_object', 'none'])
    .optional()
    .describe('How far answers can be bound to a JSON schema.')
    .meta({ default: 'json_schema' }),
  customTools: flag
    .optional()
    .describe('Tools of free text (`custom`) are taken. Absent: false for chat, true for Responses.'),
  strictTools: flag.optional().describe('Chat: `strict` of a tool is taken.').meta({ default: true }),
  parallelToolCalls: flag.optional().describe('`parallel_tool_calls` is taken.').meta({ default: true }),
  forcedToolChoice: flag.optional().describe('A tool can be forced: any one, or one by name.').meta({ default: true }),
  toolResultImages: flag
    .optional()
    .describe('Images may stand in tool results. Absent: false for chat, true for the other protocols.'),
  fileUrls: flag.optional().describe('Images and files may be given by address.').meta({ default: true }),
  cacheMarks: word(['ttl', 'plain', 'none'])
    .optional()
    .describe('Messages: which cache marks are taken: with a `ttl`, without one, or none.')
    .meta({ default: 'ttl' }),
  midSystemMessages: flag
    .optional()
    .describe('Messages: `system` messages may stand in the middle of a conversation.')
    .meta({ default: false }),
  betas: list(text(128)).optional().describe('The values of `anthropic-beta` that are sent on. Absent: all.'),
  dropFields: list(text(128))
    .optional()
    .describe('Top-level members of a body that are taken out before it is sent, relayed or translated.'),
  countTokens: flag
    .optional()
    .describe('It counts tokens by a route of its own. Absent: true, except for chat, which has none.'),
  dropSettings: list(word(DROPPABLE)).optional().describe('Sampling settings that it refuses.'),
})

/** A provider may speak each protocol in a dialect of its own. */
export const providerQuirks = z.partialRecord(protocol, quirksEntry)

export type QuirksEntry = z.infer<typeof quirksEntry>
export type ProviderQuirks = z.infer<typeof providerQuirks>

/** A member as it compares: optional members of zod may be undefined, and its lists hold words, not any text. */
type Compared<T> = {
  [K in keyof T]-?: Exclude<T[K], undefined> extends readonly string[] ? string[] : Exclude<T[K], undefined>
}
type Same<A, B> = [A, B] extends [B, A] ? true : false

/** Does not compile when this schema and `Quirks` have other members, or members that hold something else. */
true satisfies Same<Compared<QuirksEntry>, Compared<Quirks>>
