/** `opencode run` once, by the settings of `docs/guides/opencode.md`. */
import type { Product, Protocol } from '../../src/base/words.ts'
import { type Agent, type AgentRun, type Command, startOf } from './agent.ts'
import { guideFile, guideVariables } from './guide.ts'

const PLATFORM = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`

/** Which of its adapters speaks what. */
const ADAPTERS: Readonly<Record<Protocol, string>> = {
  'openai-chat': '@ai-sdk/openai-compatible',
  'openai-responses': '@ai-sdk/openai',
  'anthropic-messages': '@ai-sdk/anthropic',
  'google-generate': '@ai-sdk/google',
}

export const OPENCODE: Agent = {
  name: 'opencode',
  title: 'opencode',
  packageName: 'opencode-ai',
  version: '1.18.33',
  places: [
    'opencode-ai/bin/opencode.exe',
    `opencode-${PLATFORM}/bin/opencode`,
    `opencode-${PLATFORM}-baseline/bin/opencode`,
  ],
  protocols: ['openai-chat', 'anthropic-messages', 'openai-responses', 'google-generate'],
  command(program, run): Command {
    const { file, before } = startOf(program)
    const model = `${providerOf(run.product)}/${run.model}`
    return {
      file,
      // Only its log tells what it was refused with when it goes on asking.
      args: [...before, 'run', '--auto', '--print-logs', '--log-level', 'WARN', '-m', model, run.prompt],
      env: environmentOf(run),
      files: PLUGINS,
    }
  },
}

/** The built-in provider ids; only their address is changed. */
function providerOf(product: Product): string {
  return product === 'go' ? 'opencode-go' : 'opencode'
}

/** It would install its plugin package from the registry in the background, unless it finds one. */
const DEPENDENCIES = { '@opencode-ai/plugin': '*' }
const LOCK = { name: 'opencode', lockfileVersion: 3, packages: { '': { dependencies: DEPENDENCIES } } }
const PLUGINS = {
  '.config/opencode/node_modules/@opencode-ai/plugin/.keep': '',
  '.config/opencode/package.json': JSON.stringify({ dependencies: DEPENDENCIES }),
  '.config/opencode/package-lock.json': JSON.stringify(LOCK),
}

function environmentOf(run: AgentRun): Record<string, string> {
  const { OPENCODE_MODELS_URL = '', ...key } = guideVariables('opencode', { ...run, product: 'zen' })
  return {
    OPENCODE_CONFIG_CONTENT: JSON.stringify(configOf(run)),
    OPENCODE_DISABLE_AUTOUPDATE: '1',
    OPENCODE_DISABLE_DEFAULT_PLUGINS: '1',
    OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
    OPENCODE_DISABLE_PROJECT_CONFIG: '1',
    ...key,
    ...(run.setup === 'model_list' ? { OPENCODE_MODELS_URL } : { OPENCODE_DISABLE_MODELS_FETCH: '1' }),
  }
}

interface GuideConfig {
  readonly provider: Readonly<Record<string, { readonly options: object }>>
}

function configOf(run: AgentRun): object {
  const provider = providerOf(run.product)
  const quiet = {
    autoupdate: false,
    share: 'disabled',
    snapshot: false,
    lsp: false,
    formatter: false,
    enabled_providers: [provider],
    permission: { edit: 'allow', bash: 'allow', read: 'allow', external_directory: 'allow' },
  }
  if (run.setup === 'model_list') return quiet
  // Both providers have addresses of their own there, so the product stays as it is written.
  const guide = JSON.parse(guideFile('opencode', 'json', { ...run, product: 'go' })) as GuideConfig
  const options = guide.provider[provider]?.options
  return { ...quiet, provider: { [provider]: { options, models: { [run.model]: declared(run) } } } }
}

/** As the guide declares a model that opencode does not know; of one that it knows only the adapter changes. */
function declared({ model, protocol }: AgentRun): object {
  return {
    name: model,
    tool_call: true,
    provider: { npm: ADAPTERS[protocol] },
    limit: { context: 200_000, output: 32_000 },
  }
}
