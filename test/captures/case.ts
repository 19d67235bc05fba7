/** What a recorded answer is, and how the folders that hold them are read (`<family>/<case>/response.meta.json`). */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Form } from './wire.ts'

export type Family = 'openai-chat' | 'openai-responses' | 'anthropic-messages' | 'google-generate'
export const FAMILIES: readonly Family[] = ['openai-chat', 'openai-responses', 'anthropic-messages', 'google-generate']

/** Tokens as the recording's own reader counted them. Null: the vendor did not say. */
export interface RecordedUsage {
  readonly input: number | null
  readonly output: number | null
  readonly cached_read: number | null
  readonly cache_write: number | null
  readonly cache_write_1h?: number | null
  readonly reasoning: number | null
}

export interface RecordedCall {
  readonly id?: string | null
  readonly name: string
  /** As streamed; JSON unless `kind` is `custom` or the answer was cut. */
  readonly arguments: string
  readonly arguments_valid_json?: boolean
  readonly kind?: string
}

export interface Expected {
  readonly text?: string | null
  readonly reasoning_text?: string | null
  readonly refusal?: string | null
  readonly tool_calls?: readonly RecordedCall[]
  readonly finish_reason?: string | null
  readonly finish_reason_canonical?: string | null
  readonly usage?: RecordedUsage | null
  /** The counters of a Messages stream's last `message_delta`. */
  readonly usage_message_delta?: unknown
  readonly error?: { readonly message?: string | null } | undefined
  /** What ended a stream: `[DONE]`, `message_stop`, `error` or `eof`. */
  readonly terminal?: string
  /** Only in our own cases: what an error body holds and the client must never see. */
  readonly secrets?: readonly string[]
}

/** One recorded answer with the request that led to it. */
export interface Case {
  readonly family: Family
  readonly name: string
  readonly stream: boolean
  /** How a stream is framed. */
  readonly form: Form
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** Marks of what is in the answer (`citations`, `block:web_search_tool_result`) and in the request (`q:n`). */
  readonly features: readonly string[]
  /** Null where the source has no request. */
  readonly request: Readonly<Record<string, unknown>> | null
  /** Only in our own cases: a request to be sent byte for byte, with a slot for the model's name. */
  readonly requestText: string | null
  readonly expected: Expected
}

interface Meta {
  readonly stream: boolean
  readonly features?: readonly string[]
  readonly status: number
  readonly headers?: Record<string, string>
  /** False where the source kept no headers at all. */
  readonly headers_known?: boolean
  readonly body_file: string
  readonly expected: Expected
  /** Only in our own cases, which are kept with LF in the repository. */
  readonly reframe?: { readonly line_end?: '\r\n' | '\r'; readonly bom?: boolean; readonly cut_last_bytes?: number }
}

/** Every case of a directory whose name contains the filter, by family and name. */
export function loadCases(directory: string, filter = ''): Case[] {
  return FAMILIES.flatMap((family) => {
    const root = join(directory, family)
    if (!existsSync(root)) return []
    const names = readdirSync(root).filter((name) => existsSync(join(root, name, 'response.meta.json')))
    const wanted = names.filter((name) => `${family}/${name}`.includes(filter))
    return wanted.sort().map((name) => loadCase(family, join(root, name), name))
  })
}

function loadCase(family: Family, folder: string, name: string): Case {
  const meta = JSON.parse(readFileSync(join(folder, 'response.meta.json'), 'utf8')) as Meta
  const request = readIfThere(join(folder, 'request.json'))
  const requestText = readIfThere(join(folder, 'request.body'))
  const body = reframe(readFileSync(join(folder, meta.body_file)), meta.reframe)
  const { stream, status, expected } = meta
  const headers = { ...(meta.headers_known ? {} : defaultHeaders(meta)), ...meta.headers }
  const form = stream && /^\s*\[/.test(body.toString('utf8', 0, 20)) ? 'array' : 'sse'
  const answer = { stream, form, status, headers, body, features: meta.features ?? [] } as const
  return { family, name, ...answer, request: request && JSON.parse(request), requestText, expected }
}

/** What every upstream sends, for recordings without headers. */
function defaultHeaders({ stream, status }: Meta): Record<string, string> {
  return { 'content-type': stream && status === 200 ? 'text/event-stream' : 'application/json' }
}

function readIfThere(file: string): string | null {
  return existsSync(file) ? readFileSync(file, 'utf8') : null
}

function reframe(body: Buffer, how: Meta['reframe']): Buffer {
  if (how === undefined) return body
  let text = body.toString('utf8')
  if (how.line_end !== undefined) text = text.replaceAll('\n', how.line_end)
  if (how.bom) text = `\ufeff${text}`
  const reframed = Buffer.from(text, 'utf8')
  return reframed.subarray(0, reframed.length - (how.cut_last_bytes ?? 0))
}
