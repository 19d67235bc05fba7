/**
 * Names of tools that stand in a group (Responses' `namespace`) on wires without groups: `group__tool`, undone by
 * looking the name up in the request.
 */

export function flatToolName(tool: { readonly name: string; readonly namespace?: string | undefined }): string {
  return tool.namespace === undefined ? tool.name : `${tool.namespace}__${tool.name}`
}
