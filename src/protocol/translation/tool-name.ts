/**
 * Names of tools that stand in a group (Responses' `namespace`) on wires without groups: `group__tool`, undone by
 * looking the name up in the request.
 */
import type { IrCustomTool, IrFunctionTool, IrRequest } from '../ir/request.ts'

export function flatToolName(tool: { readonly name: string; readonly namespace?: string | undefined }): string {
  return tool.namespace === undefined ? tool.name : `${tool.namespace}__${tool.name}`
}

/** The tool of the client's request that a model's call means by its flat name. */
export function findTool(request: IrRequest, flatName: string): IrFunctionTool | IrCustomTool | undefined {
  for (const tool of request.tools) if (tool.type !== 'hosted' && flatToolName(tool) === flatName) return tool
  return undefined
}
