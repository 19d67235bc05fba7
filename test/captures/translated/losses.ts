/**
 * What a client of another protocol cannot be given of an answer: each loss with its reason, the answers that have it,
 * and the fields that may differ for it. Whatever else differs is a fault.
 */
import type { Case, Family, RecordedCall } from '../case.ts'
import type { Field } from './compare.ts'

export interface Loss {
  readonly reason: string
  applies(replayed: Case, target: Family): boolean
  /** None: something that the comparison does not look at is not there. */
  readonly covers: readonly Field[]
}

/** The marks of an answer that name a block, an item or a part which its vendor's own servers ran. */
const SERVER_TOOLS =
  /^(?:block:(?:server_tool_use|mcp_tool_use|\w+_tool_result)|item:(?!function_call|custom_tool_call|message|reasoning|compaction)\w+|executableCode|codeExecutionResult|toolCall|toolResponse)$/
const SOURCES = ['citations', 'citations-field', 'annotations', 'grounding', 'urlContext']
const VENDOR_STATE = ['block:compaction', 'block:fallback', 'item:compaction', 'context_management']

export const LOSSES: readonly Loss[] = [
  {
    reason: 'what the vendor’s own tools did (searches, code, MCP) is told in its own protocol only',
    applies: ({ features }) => features.some((feature) => SERVER_TOOLS.test(feature)),
    covers: [],
  },
  {
    reason: 'citations: the addresses are given where the protocol has a place for them, the rest is its vendor’s own',
    applies: ({ features }) => SOURCES.some((feature) => features.includes(feature)),
    covers: [],
  },
  {
    reason: 'marks of a compacted or replaced context mean something to their vendor only',
    applies: ({ features }) => VENDOR_STATE.some((feature) => features.includes(feature)),
    covers: [],
  },
  {
    reason: 'of several answers to one prompt (n > 1) the first is given',
    applies: ({ features }) => features.includes('n>1'),
    covers: [],
  },
  {
    reason: 'log probabilities are chat’s and Google’s own',
    applies: ({ features }) => features.includes('logprobs'),
    covers: [],
  },
  {
    reason: 'sound in an answer is chat’s own',
    applies: ({ features }) => features.includes('audio-out'),
    covers: [],
  },
  {
    reason: 'cache writes are counted with the prompt: Google has no counter for them',
    applies: ({ expected }, target) => target === 'google-generate' && (expected.usage?.cache_write ?? 0) > 0,
    covers: [],
  },
  {
    reason: 'a paused turn has a word in Messages only',
    applies: ({ expected }) => expected.finish_reason_canonical === 'pause',
    covers: ['finish'],
  },
  {
    reason: 'a reason of the vendor’s own (UNEXPECTED_TOOL_CALL) is told as an end, and the empty answer costs nothing',
    applies: ({ expected }) => expected.finish_reason_canonical === 'error' && expected.error === undefined,
    covers: ['finish'],
  },
  {
    reason: 'an answer that is still in the making (background) cannot be asked for here',
    applies: ({ expected }) => expected.finish_reason_canonical === 'pending',
    covers: ['finish'],
  },
  {
    reason: 'ids that only count the calls of one answer (call_1) are made unique in a conversation',
    applies: ({ expected }) => callsOf(expected.tool_calls, ({ id }) => /^call_\d{1,6}$/.test(id ?? '')),
    covers: ['calls'],
  },
  {
    reason: 'a call that names no tool is none',
    applies: ({ expected }) => callsOf(expected.tool_calls, ({ name }) => name === ''),
    covers: ['calls'],
  },
  {
    reason: 'arguments that are no JSON cannot be told where they are an object: the call comes without them',
    applies: ({ expected }, target) =>
      target === 'anthropic-messages' && callsOf(expected.tool_calls, (call) => isBroken(call) && !isOverfull(call)),
    covers: ['calls'],
  },
  {
    reason: 'arguments that are no JSON cannot be told where they are an object: the turn ends as a malformed call',
    applies: ({ expected }, target) => target === 'google-generate' && callsOf(expected.tool_calls, isBroken),
    covers: ['calls', 'finish'],
  },
  {
    reason: 'arguments that go on behind their end were sent when that shows, and the library refuses them',
    applies: ({ expected, stream }, target) =>
      target === 'anthropic-messages' && stream && callsOf(expected.tool_calls, isOverfull),
    // The library leaves before the end, so the request is one that its client stopped.
    covers: ['calls', 'finish', 'usage', 'failure', 'charge'],
  },
  {
    reason: 'groups of tools (tool search) are Responses’ own: the call names group and tool in one',
    applies: ({ family, body }) => family === 'openai-responses' && /"namespace": ?"/.test(body.toString('utf8')),
    covers: ['calls'],
  },
  {
    reason: 'an answer that begins anew in the middle was already on its way to the client',
    applies: ({ features }) => features.includes('duplicate-message_start'),
    covers: ['text', 'reasoning', 'calls', 'finish'],
  },
]

/** Losses of single recordings, which contradict themselves. */
const OF_CASES: Readonly<Record<string, Loss>> = {
  'openai-responses/openai-shell-container-1': {
    reason: 'the recording’s pieces are not the text that its end repeats: clients get the pieces',
    applies: () => true,
    covers: ['text'],
  },
  'openai-chat/snowflake-thinking': {
    reason: 'the recording’s reader leaves out a thought that stands in reasoning_details alone: clients see it',
    applies: () => true,
    covers: ['reasoning'],
  },
}

/** Every loss that an answer has for clients of a protocol. */
export function lossesOf(replayed: Case, target: Family): Loss[] {
  const own = OF_CASES[`${replayed.family}/${replayed.name}`]
  return [...LOSSES, ...(own ? [own] : [])].filter((loss) => loss.applies(replayed, target))
}

function callsOf(calls: readonly RecordedCall[] | undefined, isSuch: (call: RecordedCall) => boolean): boolean {
  return (calls ?? []).some(isSuch)
}

function isBroken({ kind, arguments_valid_json }: RecordedCall): boolean {
  return kind !== 'custom' && arguments_valid_json === false
}

/** Whole JSON with more behind it. */
function isOverfull(call: RecordedCall): boolean {
  return isBroken(call) && /}\s*[}{]/.test(call.arguments)
}
