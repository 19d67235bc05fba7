/** The rules that both of OpenAI's protocols share: names, strict schemas, sampling. */
import { asObject, type WireObject } from '../../../src/protocol/wire-value.ts'
import { inside, optional, readMatch, readNumber, readObject, refuse, walkSchema } from './breach.ts'

export const OPENAI_NAME = /^[a-zA-Z0-9_-]{1,64}$/

export function checkSampling(body: WireObject): void {
  optional(body.temperature, 'temperature', (value, path) => readNumber(value, path, 0, 2))
  optional(body.top_p, 'top_p', (value, path) => readNumber(value, path, 0, 1))
}

/** Of a tool or an answer's format, wherever the protocol has them. */
export function checkParameters(value: unknown, path: string): WireObject | null {
  if (value === undefined || value === null) return null
  const schema = readObject(value, path)
  if (schema.type !== 'object')
    refuse(path, `schema must be a JSON Schema of 'type: "object"', got 'type: "${schema.type}"'`)
  return schema
}

/** `strict: true` takes closed objects whose properties are all required, and no union at the root. */
export function checkStrictSchema(schema: WireObject, path: string): void {
  if (schema.type !== 'object' || 'anyOf' in schema)
    refuse(path, "a strict schema's root must be an object without anyOf")
  walkSchema(schema, path, (inner, at) => {
    for (const word of ['allOf', 'oneOf', 'not', 'patternProperties']) {
      if (word in inner) refuse(at, `'${word}' is not permitted in a strict schema`)
    }
    const properties = asObject(inner.properties)
    if (inner.type !== 'object' && properties === null) return
    if (inner.additionalProperties !== false) {
      refuse(at, "'additionalProperties' is required to be supplied and to be false")
    }
    const required = Array.isArray(inner.required) ? inner.required : []
    for (const key of Object.keys(properties ?? {})) {
      if (!required.includes(key)) refuse(at, `'required' must name every key in properties; missing '${key}'`)
    }
  })
}

/** A `json_schema` format's own members, which chat has one level deeper than Responses. */
export function checkSchemaFormat(format: WireObject, path: string): void {
  readMatch(format.name, inside(path, 'name'), OPENAI_NAME)
  const schema = readObject(format.schema, inside(path, 'schema'))
  if (format.strict === true) checkStrictSchema(schema, inside(path, 'schema'))
}
