/** The agents that the client tests drive. */
import type { Agent } from './agent.ts'
import { CLAUDE_CODE } from './claude-code.ts'
import { CODEX } from './codex.ts'
import { GEMINI_CLI } from './gemini-cli.ts'
import { OPENCODE } from './opencode.ts'

export const AGENTS: readonly Agent[] = [OPENCODE, CLAUDE_CODE, CODEX, GEMINI_CLI]
