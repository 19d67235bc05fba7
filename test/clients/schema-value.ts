/** The least value that fits a JSON schema, for side calls that demand one. */
import { asArray, asObject, asText, type WireObject } from '../../src/protocol/wire-value.ts'

export function valueFor(schema: WireObject): unknown {
  const [first] = asArray(schema.enum)
  if (first !== undefined) return first
  if (typeof schema.const === 'string') return schema.const
  const type = asText(asArray(schema.type)[0] ?? schema.type)?.toLowerCase()
  switch (type) {
    case 'object':
      return objectFor(schema)
    case 'array':
      return []
    case 'number':
    case 'integer':
      return typeof schema.minimum === 'number' ? schema.minimum : 1
    case 'boolean':
      return false
    default:
      return 'A file'
  }
}

function objectFor(schema: WireObject): WireObject {
  const properties = asObject(schema.properties) ?? {}
  const required = asArray(schema.required).map(String)
  const names = required.length > 0 ? required : Object.keys(properties)
  return Object.fromEntries(names.map((name) => [name, valueFor(asObject(properties[name]) ?? {})]))
}
