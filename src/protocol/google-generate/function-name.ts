/** Names of functions as Google takes them. Source: Google "FunctionDeclaration.name". */
import { flatToolName } from '../translation/tool-name.ts'

const MAX_LENGTH = 128

/** A letter or underscore first, then letters, digits and `_.:-`. */
export function legalFunctionName(name: string): string {
  const legal = name.replace(/[^a-zA-Z0-9_.:-]/g, '_').replace(/^(?![a-zA-Z_])/, '_')
  return legal.slice(0, MAX_LENGTH)
}

export function functionName(tool: { readonly name: string; readonly namespace?: string | undefined }): string {
  return legalFunctionName(flatToolName(tool))
}
