/**
 * The model behind a real agent: asked with tools it writes a file, reads it back and then says that it is done, one
 * step a request; asked without tools, for a title, it gives a title, or JSON where that is demanded.
 */
import type { Usage } from '../../src/base/usage.ts'
import type { Protocol } from '../../src/base/words.ts'
import type { StrictCall } from '../support/strict/turn.ts'
import { demandedSchema, type OfferedTool, offeredTools, type ToolResult, toolResults } from './agent-request.ts'
import { valueFor } from './schema-value.ts'
import { startUpstreamHost, type UpstreamHost, type UpstreamRequest, type UpstreamTurn } from './upstream-host.ts'

/** What the agent is asked to do. */
export interface AgentTask {
  /** Absolute. */
  readonly file: string
  readonly content: string
  /** What the model says at the end; the prompt does not contain it, so that an echo proves nothing. */
  readonly finalText: string
}

export interface ScriptedUpstream extends UpstreamHost {
  /** From now on the requests are about this task. */
  begin(task: AgentTask, options: TaskOptions): void
}

export interface TaskOptions {
  /** What the agent speaks. What it says to an upstream of its own protocol is relayed, and its own affair. */
  readonly protocol: Protocol
  /** The first answer with tools breaks off. */
  readonly cutFirst: boolean
}

const TITLE = 'A file is written'
const REASONING = 'The file has to be written first, then read back to be sure.'
const INTRODUCTION = 'I write the file now, and then read it back.'

interface Progress {
  readonly task: AgentTask
  readonly protocol: Protocol
  cutNext: boolean
  /** Whole answers with calls so far; calls of a broken answer may stay in the conversation, as failed. */
  steps: number
}

export async function startScriptedUpstream(): Promise<ScriptedUpstream> {
  let progress: Progress | null = null
  let served = 0
  const host = await startUpstreamHost({
    isChecked: ({ protocol }) => protocol !== progress?.protocol,
    answer: (request) => answerStep(request, progress, ++served),
  })
  return {
    ...host,
    begin(task, { protocol, cutFirst }) {
      progress = { task, protocol, cutNext: cutFirst, steps: 0 }
    },
  }
}

function answerStep(request: UpstreamRequest, progress: Progress | null, serial: number): UpstreamTurn {
  const tools = offeredTools(request.protocol, request.body)
  const usage = usageOf(request.protocol, serial)
  if (progress === null || tools.length === 0) {
    const schema = demandedSchema(request.protocol, request.body)
    return { text: schema === null ? TITLE : JSON.stringify(valueFor(schema)), usage }
  }
  const results = toolResults(request.protocol, request.body)
  if (results.length < progress.steps) {
    throw new Error(`of ${progress.steps} tool results, ${results.length} came back`)
  }
  const { task } = progress
  if (progress.steps >= 2) return { text: finalText(task, results), usage }
  const call = callOf(tools, progress.steps === 0 ? WRITERS : READERS, { task, serial })
  const text = progress.steps === 0 ? { text: INTRODUCTION } : {}
  if (progress.cutNext) {
    progress.cutNext = false
    return { reasoning: REASONING, ...text, calls: [call], usage, isCut: true }
  }
  progress.steps++
  return { reasoning: REASONING, ...text, calls: [call], usage }
}

function finalText(task: AgentTask, results: readonly ToolResult[]): string {
  const last = results.at(-1)?.text ?? ''
  return last.includes(task.content) ? task.finalText : `The file does not hold what it should: ${last}`
}

/** Different for each answer, so that no row can pass for another's. Only Messages counts what a cache was given. */
function usageOf(protocol: Protocol, serial: number): Usage {
  const isMessages = protocol === 'anthropic-messages'
  return {
    input: 200 + serial,
    cachedRead: 1000 + serial,
    cacheWrite5m: isMessages ? 100 + serial : 0,
    cacheWrite1h: 0,
    output: 40 + serial,
    reasoning: isMessages ? 0 : 10,
  }
}

interface ToolUse {
  readonly name: RegExp
  /** The value of a required member. */
  readonly value: (member: string, task: AgentTask) => string
}

const patchOf = ({ file, content }: AgentTask) => `*** Begin Patch\n*** Add File: ${file}\n+${content}\n*** End Patch\n`
const scriptOf = (command: string) =>
  `const r = await tools.exec_command({ cmd: ${JSON.stringify(command)} });\ntext(r);\n`
const writeCommand = ({ file, content }: AgentTask) => `printf '%s\\n' '${content}' > '${file}'`
const readCommand = ({ file }: AgentTask) => `cat '${file}'`

/** The agents' own tools, the one that is liked best first; of a shell it is the only required member that is filled. */
const WRITERS: readonly ToolUse[] = [
  { name: /^apply_patch$/, value: (_member, task) => patchOf(task) },
  { name: /^write(?:_file)?$/i, value: (member, task) => (/path/i.test(member) ? task.file : task.content) },
  { name: /^exec_command$/, value: (_member, task) => writeCommand(task) },
  { name: /(?:^|__)exec$/, value: (_member, task) => scriptOf(writeCommand(task)) },
]
const READERS: readonly ToolUse[] = [
  { name: /^read(?:_file)?$/i, value: (_member, task) => task.file },
  { name: /^exec_command$/, value: (_member, task) => readCommand(task) },
  { name: /(?:^|__)exec$/, value: (_member, task) => scriptOf(readCommand(task)) },
]

/** @throws when the agent offers none of the tools */
function callOf(
  tools: readonly OfferedTool[],
  uses: readonly ToolUse[],
  { task, serial }: { task: AgentTask; serial: number },
): StrictCall {
  for (const { name, value } of uses) {
    // A tool of free text has no members; this upstream calls none of those.
    const tool = tools.find((offered) => name.test(offered.name) && offered.required.length > 0)
    if (tool === undefined) continue
    const values = tool.required.map((member) => [member, value(member, task)])
    return { id: `call_${serial}`, name: tool.name, arguments: Object.fromEntries(values) }
  }
  throw new Error(`no tool to go on with: ${tools.map(({ name }) => name)}`)
}
