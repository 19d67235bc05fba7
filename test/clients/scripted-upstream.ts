/**
 * The model behind a real agent: asked with tools it writes a file, reads it back and then says that it is done, one
 * step a request; asked without tools, for a title, it gives a title. The step is the number of tool results that the
 * agent sends along, those of calls that were cut off left out: agents keep such calls in the conversation as failed.
 */
import type { Usage } from '../../src/base/usage.ts'
import type { ScriptedAnswer, ScriptedCall } from '../support/scripted-answer.ts'
import {
  type ScriptedExchange,
  type ScriptedRequest,
  type ScriptedTurn,
  startScriptedProvider,
} from '../support/scripted-provider.ts'
import { type OfferedTool, offeredTools, type ToolResult, toolResults } from './agent-request.ts'

/** What the agent is asked to do. */
export interface AgentTask {
  /** Absolute. */
  readonly file: string
  readonly content: string
  /** What the model says at the end; the prompt does not contain it, so that an echo proves nothing. */
  readonly finalText: string
}

export interface ScriptedUpstream {
  readonly baseUrl: string
  /** From now on the requests are about this task. With `cutFirst` the first answer with tools breaks off. */
  begin(task: AgentTask, options?: { cutFirst?: boolean }): void
  exchanges(): readonly ScriptedExchange[]
  close(): Promise<void>
}

const TITLE = 'A file is written'
const REASONING = 'The file has to be written first, then read back to be sure.'
const INTRODUCTION = 'I write the file now, and then read it back.'
const NOT_WRITTEN = 'The file does not hold what it should.'

export async function startScriptedUpstream(): Promise<ScriptedUpstream> {
  let task: AgentTask | null = null
  let cutNext = false
  let served = 0
  const cutCalls = new Set<string>()
  const script = (request: ScriptedRequest): ScriptedTurn => {
    const results = toolResults(request).filter(({ callId }) => !cutCalls.has(callId))
    const answer = answerStep({ request, task, results, serial: ++served })
    const isCut = cutNext && answer.calls.length > 0
    if (!isCut) return { answer }
    cutNext = false
    for (const { id } of answer.calls) cutCalls.add(id)
    return { answer, delivery: 'cut' }
  }
  const provider = await startScriptedProvider(script)
  return {
    baseUrl: provider.baseUrl,
    exchanges: provider.exchanges,
    close: provider.close,
    begin(next, options = {}) {
      task = next
      cutNext = options.cutFirst ?? false
    },
  }
}

interface Step {
  readonly request: ScriptedRequest
  readonly task: AgentTask | null
  readonly results: readonly ToolResult[]
  readonly serial: number
}

function answerStep({ request, task, results, serial }: Step): ScriptedAnswer {
  const tools = offeredTools(request)
  const answer = { id: `answer_${serial}`, reasoning: '', text: '', calls: [], usage: usageOf(request, serial) }
  if (task === null || tools.length === 0) return { ...answer, text: TITLE }
  switch (results.length) {
    case 0:
      return { ...answer, reasoning: REASONING, text: INTRODUCTION, calls: [callOf(tools, /^write/, task, serial)] }
    case 1:
      return { ...answer, reasoning: REASONING, calls: [callOf(tools, /^read/, task, serial)] }
    default:
      return { ...answer, text: results.at(-1)?.text.includes(task.content) ? task.finalText : NOT_WRITTEN }
  }
}

/** Different for each answer, so that no row can pass for another's. Chat providers write to no cache. */
function usageOf({ protocol }: ScriptedRequest, serial: number): Usage {
  const cacheWrite5m = protocol === 'openai-chat' ? 0 : 100 + serial
  return {
    input: 200 + serial,
    cachedRead: 1000 + serial,
    cacheWrite5m,
    cacheWrite1h: 0,
    output: 40 + serial,
    reasoning: 0,
  }
}

/** Calls the agent's own tool, filled in by what its schema requires. @throws when the agent offers no such tool */
function callOf(tools: readonly OfferedTool[], name: RegExp, task: AgentTask, serial: number): ScriptedCall {
  const tool = tools.find((offered) => name.test(offered.name))
  if (tool === undefined) throw new Error(`the agent offers no tool ${name}: ${tools.map((offered) => offered.name)}`)
  const values = tool.required.map((key) => [key, /path/i.test(key) ? task.file : task.content])
  return { id: `call_${serial}`, name: tool.name, arguments: Object.fromEntries(values) }
}
