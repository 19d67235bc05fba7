/** The form that an answer must have (`text.format`), both ways. Source: OpenAI "Structured outputs". */
import type { IrFormat } from '../ir/request.ts'
import { asName, asObject, type WireObject } from '../wire-value.ts'

/** Null for plain text, and for a form that the IR has no word for. */
export function decodeTextFormat(value: unknown): IrFormat | null {
  const format = asObject(value)
  if (format?.type === 'json_object') return { type: 'json' }
  const schema = asObject(format?.schema)
  if (format?.type !== 'json_schema' || !schema) return null
  const description = asName(format.description)
  return {
    type: 'json-schema',
    name: asName(format.name),
    ...(description !== null && { description }),
    schema,
    ...(typeof format.strict === 'boolean' && { strict: format.strict }),
  }
}

export function encodeTextFormat(format: IrFormat): WireObject {
  if (format.type === 'json') return { type: 'json_object' }
  const { name, description, schema, strict } = format
  return {
    type: 'json_schema',
    ...(name !== null && { name }),
    ...(description !== undefined && { description }),
    schema,
    ...(strict !== undefined && { strict }),
  }
}
