/**
 * The request bodies of the benchmark: the same bytes in every run, in the shapes that coding agents send.
 *
 * The large one is a long agent session: escaped source code in tool results, 40 tools, and `stream` after all of it,
 * which is the order in which the AI SDK writes it and the dearest one for a gateway that looks for it.
 */
import type { Protocol } from '../src/base/words.ts'
import { type Asked, chatTurn, type Session, SHAPES, type ToolText, type Turn } from './body-shapes.ts'
import type { BodyKind, Target } from './job.ts'

/** In chat's shape; the same session is a little more or less in the others. */
const LARGE_BODY_BYTES = 400_000
const TOOL_COUNT = 40
const STREAMING: ReadonlySet<BodyKind> = new Set(['stream', 'paced', 'first-token'])

/** Request line, headers and body in one buffer, sent as it is for every request of a job. */
export function buildRequest(target: Target, kind: BodyKind): Buffer {
  const body = Buffer.from(JSON.stringify(buildBody(target.protocol, target.model, kind)))
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

export function buildBody(protocol: Protocol, model: string, kind: BodyKind): object {
  const asked: Asked = { model, stream: isStreamed(kind) }
  return SHAPES[protocol](kind === 'large' ? largeSession() : SHORT_SESSION, asked)
}

/** Whether the answer comes as a stream. */
export function isStreamed(kind: BodyKind): boolean {
  return STREAMING.has(kind)
}

const SHORT_SESSION: Session = {
  system: 'You are a coding agent. Answer briefly.',
  task: 'Rename the variable "rows" in src/store/usage.ts and say what changed.',
  turns: [],
  tools: [],
}

function largeSession(): Session {
  const turns: Turn[] = []
  const session: Session = { ...SHORT_SESSION, system: sourceText(0, 12_000), turns, tools: tools() }
  let size = JSON.stringify(SHAPES['openai-chat'](session, { model: 'bench-large', stream: false })).length
  for (let count = 1; size < LARGE_BODY_BYTES; count++) {
    const turn = toolTurn(count, Math.min(6_000, LARGE_BODY_BYTES - size))
    turns.push(turn)
    size += JSON.stringify(chatTurn(turn)).length - 1
  }
  return session
}

function toolTurn(count: number, characters: number): Turn {
  return {
    id: `call_${count}`,
    tool: `tool_${count % TOOL_COUNT}`,
    input: { path: `src/module-${count}/index.ts`, offset: count * 40, limit: 200 },
    said: `Reading part ${count} before changing it.`,
    result: sourceText(count, characters),
  }
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

function tools(): ToolText[] {
  return Array.from({ length: TOOL_COUNT }, (_, index) => ({
    name: `tool_${index}`,
    description: `Tool ${index}: reads or changes files of the project. "path" is relative to its root.`,
    schema: {
      type: 'object',
      properties: {
        path: { type: 'string', description: 'Relative path' },
        model: { type: 'string', description: 'A key named like the one a gateway looks for' },
        limit: { type: 'integer', minimum: 1 },
      },
      required: ['path'],
      additionalProperties: false,
    },
  }))
}
