/**
 * Names of tools that some wire would refuse (dots, colons, more than 64 characters), for the way through a translation
 * and back: renamed for the upstream, and called by the client's own name in the answer.
 */
import { createHash } from 'node:crypto'
import type { IrBlock } from '../ir/block.ts'
import type { IrRequest, IrTool, IrToolChoice } from '../ir/request.ts'
import { flatToolName } from './tool-name.ts'

/** What every protocol takes: OpenAI has the shortest bound, Google the narrowest start. */
const LEGAL = /^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$/
const KEPT_LENGTH = 52

export interface LegalNames {
  readonly request: IrRequest
  /** The client's (flat) name of a tool that the upstream calls. */
  original(name: string): string
}

export function legaliseToolNames(request: IrRequest): LegalNames {
  if (isLegalThroughout(request)) return { request, original: (name) => name }
  const originals = new Map<string, string>()
  const rename: Rename = (named) => {
    const flat = flatToolName(named)
    if (LEGAL.test(flat)) return null
    const legal = legalName(flat)
    originals.set(legal, flat)
    return legal
  }
  const tools = request.tools.map((tool) => renamedTool(tool, rename))
  const messages = request.messages.map((message) => ({
    ...message,
    blocks: message.blocks.map((block) => renamedBlock(block, rename)),
  }))
  const toolChoice = renamedChoice(request.toolChoice, rename)
  return { request: { ...request, tools, messages, toolChoice }, original: (name) => originals.get(name) ?? name }
}

/** Nearly every request is: then none of it is copied. */
function isLegalThroughout({ tools, messages, toolChoice }: IrRequest): boolean {
  const isLegal = (named: { name: string; namespace?: string | undefined }): boolean => LEGAL.test(flatToolName(named))
  const names = toolChoice?.type === 'allowed' ? toolChoice.names : toolChoice?.type === 'tool' ? [toolChoice.name] : []
  return (
    tools.every((tool) => tool.type === 'hosted' || isLegal(tool)) &&
    names.every((name) => LEGAL.test(name)) &&
    messages.every(({ blocks }) => blocks.every((block) => isLegalBlock(block, isLegal)))
  )
}

function isLegalBlock(block: IrBlock, isLegal: (named: { name: string; namespace?: string }) => boolean): boolean {
  if (block.type === 'tool-call') return isLegal(block)
  return block.type !== 'tool-result' || block.name === undefined || LEGAL.test(block.name)
}

type Rename = (named: { name: string; namespace?: string | undefined }) => string | null

/** The beginning says what it is, the hash tells it from others with the same beginning. */
function legalName(flat: string): string {
  const readable = flat.replace(/[^a-zA-Z0-9_-]/g, '_').replace(/^[^a-zA-Z_]/, '_')
  const hash = createHash('sha256').update(flat).digest('hex').slice(0, 10)
  return `${readable.slice(0, KEPT_LENGTH)}_${hash}`
}

function renamedTool(tool: IrTool, rename: Rename): IrTool {
  const name = tool.type === 'hosted' ? null : rename(tool)
  if (name === null || tool.type === 'hosted') return tool
  const { namespace: _namespace, ...rest } = tool
  return { ...rest, name }
}

function renamedBlock(block: IrBlock, rename: Rename): IrBlock {
  if (block.type === 'tool-call') {
    const name = rename(block)
    if (name === null) return block
    const { namespace: _namespace, ...rest } = block
    return { ...rest, name }
  }
  if (block.type !== 'tool-result' || block.name === undefined) return block
  const name = rename({ name: block.name })
  return name === null ? block : { ...block, name }
}

function renamedChoice(choice: IrToolChoice | null, rename: Rename): IrToolChoice | null {
  if (choice?.type === 'allowed') return { ...choice, names: choice.names.map((name) => rename({ name }) ?? name) }
  if (choice?.type !== 'tool' || choice.kind === 'hosted') return choice
  return { ...choice, name: rename({ name: choice.name }) ?? choice.name }
}
