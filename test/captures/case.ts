/** What a recorded answer is, and how the folders that hold them are read (`<family>/<case>/response.meta.json`). */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export type Family = 'openai-chat' | 'anthropic-messages'
export const FAMILIES: readonly Family[] = ['openai-chat', 'anthropic-messages']

/** Tokens as the recording's own reader counted them. Null: the vendor did not say. */
export interface RecordedUsage {
  readonly input: number
  readonly output: number
  readonly cached_read: number | null
  readonly cache_write: number | null
  readonly cache_write_1h?: number | null
  readonly reasoning: number | null
}

export interface Expected {
  readonly text?: string | null
  readonly reasoning_text?: string | null
  readonly refusal?: string | null
  readonly tool_calls?: readonly unknown[]
  readonly finish_reason?: string | null
  readonly finish_reason_canonical?: string | null
  readonly usage?: RecordedUsage | null
  /** The counters of a Messages stream's last `message_delta`. */
  readonly usage_message_delta?: unknown
  readonly error?: unknown
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
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** Null where the source has no request. */
  readonly request: Readonly<Record<string, unknown>> | null
  /** Only in our own cases: a request to be sent byte for byte, with a slot for the model's name. */
  readonly requestText: string | null
  readonly expected: Expected
}

interface Meta {
  readonly stream: boolean
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
  return { family, name, stream, status, headers, body, request: request && JSON.parse(request), requestText, expected }
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
