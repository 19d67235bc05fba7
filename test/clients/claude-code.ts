/** `claude -p` once, by the settings of `docs/guides/claude-code.md`. */
import { type Agent, PLATFORM, startOf } from './agent.ts'
import { guideVariables } from './guide.ts'

export const CLAUDE_CODE: Agent = {
  name: 'claude-code',
  title: 'Claude Code',
  packageName: '@anthropic-ai/claude-code',
  version: '2.1.328',
  places: ['@anthropic-ai/claude-code/bin/claude.exe', `@anthropic-ai/claude-code-${PLATFORM}/claude`],
  protocols: ['anthropic-messages'],
  command(program, run) {
    const { file, before } = startOf(program)
    return {
      file,
      args: [...before, '-p', '--dangerously-skip-permissions', run.prompt],
      // It refuses to go without permissions as root unless it is told that this is a sandbox.
      env: { ...guideVariables('claude-code', run), IS_SANDBOX: '1', DISABLE_AUTOUPDATER: '1' },
      files: {},
    }
  },
}
