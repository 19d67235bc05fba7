/** What an operation is sent, checked against its definition: whatever it does not name is refused. */
import type { z } from 'zod'
import { AppError } from '../base/errors.ts'
import type { OperationShape } from '../contract/operation.ts'
import { notJson, PLAIN_JSON, readBody } from './body.ts'
import type { Visit } from './routes.ts'

/** Bodies of the control plane are forms, not conversations. */
const MAX_BODY_BYTES = 256 * 1024

/** @throws AppError invalid_request */
export function readQuery({ query }: Visit, shape: OperationShape): unknown {
  const values = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(query)) {
    if (values.has(name)) {
      throw new AppError('invalid_request', 'A parameter stands twice.', { param: name.slice(0, 80) })
    }
    values.set(name, value)
  }
  if (shape.query) return check(shape.query, Object.fromEntries(values))
  const [unknown] = values.keys()
  if (unknown !== undefined) {
    throw new AppError('invalid_request', 'This takes no parameters.', { param: unknown.slice(0, 80) })
  }
  return undefined
}

/** @throws AppError invalid_request, body_too_large */
export async function readInput(visit: Visit, shape: OperationShape): Promise<unknown> {
  if (!shape.body) return undefined
  const bytes = await readBody(visit.request, MAX_BODY_BYTES, PLAIN_JSON)
  if (bytes.length === 0) return check(shape.body, {})
  if (visit.request.headers['content-type'] === undefined) throw notJson()
  return check(shape.body, parse(bytes))
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    throw new AppError('invalid_request', 'The body is not well-formed JSON.')
  }
}

/** What comes from the command line, as an object. @throws AppError invalid_request */
export function checkInput(schema: z.ZodObject | undefined, value: unknown): unknown {
  return schema && check(schema, value ?? {})
}

function check(schema: z.ZodObject, value: unknown): unknown {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const extra = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const path = [...(issue?.path ?? []), ...(extra === undefined ? [] : [extra])].join('.').slice(0, 80)
  const reason = extra === undefined ? (issue?.message ?? 'it is not as it must be') : 'it is not known here'
  throw new AppError('invalid_request', `${path === '' ? 'The input' : JSON.stringify(path)}: ${reason}.`, {
    param: path,
  })
}
