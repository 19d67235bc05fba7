/**
 * Tools of free text (`custom`: Codex's `apply_patch`) on wires that know functions only: a function with one string
 * argument, undone when the model calls it.
 */
import type { IrCustomTool } from '../ir/request.ts'
import { asName, asObject, asText, type WireObject } from '../wire-value.ts'

const ARGUMENT = 'input'

export interface WireFunction {
  readonly name: string
  readonly description: string
  readonly parameters: WireObject
}

export function customToolAsFunction(tool: IrCustomTool): WireFunction {
  const grammar = asName(tool.format?.definition)
  const hint = grammar
    ? `The whole text must follow this ${asName(tool.format?.syntax) ?? 'lark'} grammar:\n${grammar}`
    : 'The whole text that the tool takes.'
  return {
    name: tool.name,
    description: tool.description ?? '',
    parameters: {
      type: 'object',
      properties: { [ARGUMENT]: { type: 'string', description: hint } },
      required: [ARGUMENT],
      additionalProperties: false,
    },
  }
}

/** The arguments of such a function for a free text. */
export function customInputAsArguments(input: string): string {
  return JSON.stringify({ [ARGUMENT]: input })
}

/** The free text in the arguments that a model gave; models that ignore the schema give the text itself. */
export function argumentsAsCustomInput(text: string): string {
  try {
    const value: unknown = JSON.parse(text)
    const input = asText(asObject(value)?.[ARGUMENT])
    if (input !== null) return input
    return typeof value === 'string' ? value : text
  } catch {
    return text
  }
}
