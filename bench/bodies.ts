/**
 * The request bodies of the benchmark: the same bytes in every run, in the shapes that coding agents send.
 *
 * The large one is a long agent session: escaped source code in tool results, 40 tools, and `stream` after all of it,
 * which is the order in which the AI SDK writes it and the dearest one for a gateway that looks for it.
 */
import type { BodyKind, Target } from './job.ts'

const LARGE_BODY_BYTES = 400_000
const TOOL_COUNT = 40
const STREAMING: ReadonlySet<BodyKind> = new Set(['stream', 'paced', 'first-token'])

/** Request line, headers and body in one buffer, sent as it is for every request of a job. */
export function buildRequest(target: Target, kind: BodyKind): Buffer {
  const body = Buffer.from(JSON.stringify(buildBody(target.model, kind)))
  const head = [
    `POST ${target.path} HTTP/1.1`,
    `host: 127.0.0.1:${target.port}`,
    'content-type: application/json',
    'user-agent: zendo-bench/1',
    'accept: */*',
    ...(target.key === undefined ? [] : [`authorization: Bearer ${target.key}`]),
    `content-length: ${body.length}`,
  ]
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body])
}

export function buildBody(model: string, kind: BodyKind): unknown {
  if (kind === 'large') return largeBody(model)
  const streaming = STREAMING.has(kind) ? { stream: true, stream_options: { include_usage: true } } : {}
  return {
    model,
    max_tokens: 2048,
    messages: [
      { role: 'system', content: 'You are a coding agent. Answer briefly.' },
      { role: 'user', content: 'Rename the variable "rows" in src/store/usage.ts and say what changed.' },
    ],
    ...streaming,
  }
}

function largeBody(model: string): unknown {
  const messages: unknown[] = [{ role: 'system', content: sourceText(0, 12_000) }]
  const body = { model, max_tokens: 2048, messages, tools: tools(), tool_choice: 'auto', stream: false }
  let size = JSON.stringify(body).length
  for (let turn = 1; size < LARGE_BODY_BYTES; turn++) {
    const added = [toolCall(turn), toolResult(turn, Math.min(6_000, LARGE_BODY_BYTES - size))]
    messages.push(...added)
    size += JSON.stringify(added).length - 1
  }
  return body
}

function toolCall(turn: number): unknown {
  const path = JSON.stringify({ path: `src/module-${turn}/index.ts`, offset: turn * 40, limit: 200 })
  const call = {
    id: `call_${turn}`,
    type: 'function',
    function: { name: `tool_${turn % TOOL_COUNT}`, arguments: path },
  }
  return { role: 'assistant', content: `Reading part ${turn} before changing it.`, tool_calls: [call] }
}

function toolResult(turn: number, characters: number): unknown {
  return { role: 'tool', tool_call_id: `call_${turn}`, content: sourceText(turn, characters) }
}

/** Source code as tools return it: about one character in twenty needs a JSON escape, and a few are not ASCII. */
function sourceText(seed: number, characters: number): string {
  const lines: string[] = []
  for (let size = 0, line = seed * 1000; size < characters; line++) {
    const text = sourceLines[line % sourceLines.length]?.(line) ?? ''
    lines.push(text)
    size += text.length
  }
  return lines.join('').slice(0, characters)
}

const sourceLines: readonly ((line: number) => string)[] = [
  (line) => `${line}\texport function load${line}(path: string): Row[] {\n`,
  (line) => `${line}\t  const text = readFileSync(join(path, "rows-${line}.json"), "utf8")\n`,
  (line) => `${line}\t  if (text === '') throw new Error(\`nothing in \${path}\`) // prüfen: „leer“\n`,
  (line) => `${line}\t  return text.split("\\n").map((row) => ({ row, at: ${line} }))\n`,
  (line) => `${line}\t}\n`,
]

function tools(): unknown[] {
  return Array.from({ length: TOOL_COUNT }, (_, index) => ({
    type: 'function',
    function: {
      name: `tool_${index}`,
      description: `Tool ${index}: reads or changes files of the project. "path" is relative to its root.`,
      parameters: {
        type: 'object',
        properties: {
          path: { type: 'string', description: 'Relative path' },
          model: { type: 'string', description: 'A key named like the one a gateway looks for' },
          limit: { type: 'integer', minimum: 1 },
        },
        required: ['path'],
        additionalProperties: false,
      },
    },
  }))
}
