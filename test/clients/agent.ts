/** A coding agent as the client tests see it: what is installed, how it is pointed at the gateway, how it is started. */
import type { Product, Protocol } from '../../src/base/words.ts'

export type AgentName = 'opencode' | 'claude-code' | 'codex' | 'gemini-cli'

/** One run without a person. */
export interface AgentRun {
  /** The gateway's origin. */
  readonly origin: string
  readonly apiKey: string
  readonly product: Product
  readonly model: string
  /** What the agent speaks to the gateway. */
  readonly protocol: Protocol
  readonly prompt: string
  /** Opencode has two ways in: its own model list with another address, or the gateway's list. By default `address`. */
  readonly setup?: 'address' | 'model_list'
  /** Codex asks for a WebSocket first where a provider says that it has them. */
  readonly webSocket?: boolean
}

export interface Command {
  readonly file: string
  readonly args: readonly string[]
  /** On top of the empty home's own. */
  readonly env: Readonly<Record<string, string>>
  /** Path below the home, and text. */
  readonly files: Readonly<Record<string, string>>
}

export interface Agent {
  readonly name: AgentName
  /** As it writes itself. */
  readonly title: string
  readonly packageName: string
  /** The version that the guides and the captures speak of. */
  readonly version: string
  /** Where the program may stand below `node_modules`; the first that runs is taken. */
  readonly places: readonly string[]
  /** What it can speak; most speak one. */
  readonly protocols: readonly Protocol[]
  command(program: string, run: AgentRun): Command
}

/** The program, or node with the script before it. */
export function startOf(program: string): { file: string; before: string[] } {
  return /\.[cm]?js$/.test(program) ? { file: process.execPath, before: [program] } : { file: program, before: [] }
}

/** `node`'s names of platforms are those of the agents' packages, but for Windows at some. */
export const PLATFORM = `${process.platform}-${process.arch}`
