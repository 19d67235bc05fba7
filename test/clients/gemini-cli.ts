/** `gemini -p` once, by the settings of `docs/guides/gemini-cli.md`. */
import { type Agent, startOf } from './agent.ts'
import { guideFile, guideVariables } from './guide.ts'

const QUIET = {
  privacy: { usageStatisticsEnabled: false },
  telemetry: { enabled: false },
  general: { enableAutoUpdate: false, enableAutoUpdateNotification: false },
}

export const GEMINI_CLI: Agent = {
  name: 'gemini-cli',
  title: 'Gemini CLI',
  packageName: '@google/gemini-cli',
  version: '0.61.0',
  places: ['@google/gemini-cli/bundle/gemini.js'],
  protocols: ['google-generate'],
  command(program, run) {
    const { file, before } = startOf(program)
    const settings = { ...(JSON.parse(guideFile('gemini-cli', 'json', run)) as object), ...QUIET }
    return {
      file,
      args: [...before, '-m', run.model, '--yolo', '--skip-trust', '-p', run.prompt],
      env: guideVariables('gemini-cli', run),
      files: { '.gemini/settings.json': JSON.stringify(settings) },
    }
  },
}
