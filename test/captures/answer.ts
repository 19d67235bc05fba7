/** A case in another framing than it was recorded in: Google streams events or one array, as it is asked. */
import type { Case } from './case.ts'
import { splitParts } from './parts.ts'
import type { SseBlock } from './sse-blocks.ts'
import type { Form } from './wire.ts'

/** The same case when it is not streamed, or framed so already. */
export function inForm(replayed: Case, form: Form): Case {
  if (!replayed.stream || replayed.form === form) return replayed
  const type = form === 'sse' ? 'text/event-stream' : 'application/json; charset=UTF-8'
  const headers = { ...replayed.headers, 'content-type': type }
  return { ...replayed, form, headers, body: reframed(replayed, form) }
}

/** A stream without a finish reason was cut: its array has no end. */
function reframed({ body, form, expected }: Case, to: Form): Buffer {
  const objects = splitParts(body, form).flatMap((part) => objectOf(part))
  if (to === 'sse') return Buffer.from(objects.map((object) => `data: ${oneLine(object)}\r\n\r\n`).join(''))
  return Buffer.from(`[${objects.join('\n,\r\n')}${expected.finish_reason ? '\n]\n' : ''}`)
}

/** Errors come without a `data:` before them too. */
function objectOf({ data, bytes, closed }: SseBlock): string[] {
  if (data !== null) return closed ? [data] : []
  const text = bytes.toString('utf8').trim()
  return text.startsWith('{') ? [text] : []
}

function oneLine(json: string): string {
  return /[\r\n]/.test(json) ? JSON.stringify(JSON.parse(json)) : json
}
