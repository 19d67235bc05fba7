/**
 * Tools that a vendor runs itself (web search, code execution), for an upstream that does not have them: refused when
 * the client forces one, else left out, and both model and client are told (PP-53).
 */
import { AppError } from '../../base/errors.ts'
import type { Protocol } from '../../base/words.ts'
import type { Warning } from '../codec.ts'
import type { IrCustomTool, IrFunctionTool, IrHostedTool, IrRequest, IrTool } from '../ir/request.ts'

export interface SplitTools {
  /** Functions, custom tools, and hosted ones of the target's own protocol. */
  readonly tools: readonly (IrFunctionTool | IrCustomTool | IrHostedTool)[]
  readonly warnings: readonly Warning[]
  /** A sentence for the system prompt, so that the model does not look for what is not there; null when nothing is. */
  readonly note: string | null
}

/** @throws AppError unsupported_feature */
export function splitTools(request: IrRequest, target: Protocol): SplitTools {
  const missing = request.tools.filter((tool) => isMissing(tool, target)) as IrHostedTool[]
  if (missing.length === 0) return { tools: request.tools, warnings: [], note: null }
  const { toolChoice } = request
  const names = missing.map((tool) => tool.kind)
  const isForced =
    (toolChoice?.type === 'tool' && toolChoice.kind === 'hosted') ||
    (toolChoice?.type === 'required' && missing.length === request.tools.length)
  if (isForced) {
    throw new AppError(
      'unsupported_feature',
      `This model has no ${names.join(', ')} tool, which the request demands.`,
      {
        param: 'tools',
      },
    )
  }
  return {
    tools: request.tools.filter((tool) => !isMissing(tool, target)),
    warnings: request.tools.flatMap((tool, i): Warning[] =>
      tool.type === 'hosted' && tool.protocol !== target
        ? [{ action: 'dropped', field: `tools[${i}]`, detail: tool.kind }]
        : [],
    ),
    note: `These tools are not available in this conversation: ${names.join(', ')}.`,
  }
}

function isMissing(tool: IrTool, target: Protocol): boolean {
  return tool.type === 'hosted' && tool.protocol !== target
}
