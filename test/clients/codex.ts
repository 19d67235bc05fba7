/** `codex exec` once, by the settings of `docs/guides/codex.md`. */
import { type Agent, startOf } from './agent.ts'
import { guideFile, guideVariables } from './guide.ts'

/** What would look for something in the world outside. */
const OUTSIDE_FEATURES = ['plugins', 'remote_plugin', 'apps', 'plugin_sharing', 'shell_snapshot']
const QUIET = 'check_for_update_on_startup = false\n'
const QUIET_TABLES = '\n[analytics]\nenabled = false\n\n[history]\npersistence = "none"\n'

export const CODEX: Agent = {
  name: 'codex',
  title: 'Codex',
  packageName: '@openai/codex',
  version: '0.169.0',
  places: ['@openai/codex/bin/codex.js'],
  protocols: ['openai-responses'],
  command(program, run) {
    const { file, before } = startOf(program)
    const disabled = OUTSIDE_FEATURES.flatMap((feature) => ['--disable', feature])
    const alone = ['--skip-git-repo-check', '--dangerously-bypass-approvals-and-sandbox', '--ephemeral']
    const webSocket = run.webSocket ? 'supports_websockets = true\n' : ''
    return {
      file,
      args: [...before, 'exec', ...disabled, ...alone, '--color', 'never', run.prompt],
      env: { ...guideVariables('codex', run), RUST_LOG: 'error' },
      files: { '.codex/config.toml': QUIET + guideFile('codex', 'toml', run) + webSocket + QUIET_TABLES },
    }
  },
}
