/** Installs the pinned agents from the npm registry into `.cache/clients`, once. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Agent, startOf } from './agent.ts'

const CACHE = join(import.meta.dirname, '..', '..', '.cache', 'clients')
const INSTALL_LIMIT_MS = 300_000
const VERSION_LIMIT_MS = 30_000

export type Installation =
  | { readonly kind: 'installed'; readonly program: string }
  /** Only when the registry cannot be reached; whatever else goes wrong is thrown. */
  | { readonly kind: 'unreachable'; readonly reason: string }

/** @throws when npm fails for another reason than the network, or what it installed does not run */
export async function installAgent(agent: Agent): Promise<Installation> {
  const directory = join(CACHE, agent.name)
  const present = await findProgram(agent, directory)
  if (present !== null) return { kind: 'installed', program: present }
  await mkdir(directory, { recursive: true })
  const manifest = {
    private: true,
    dependencies: { [agent.packageName]: agent.version },
    // Some have an install script that puts the program for this machine in place; npm runs only scripts that are named.
    allowScripts: { [agent.packageName]: true },
  }
  await writeFile(join(directory, 'package.json'), JSON.stringify(manifest, null, 2))
  const failure = await npmInstall(directory)
  if (failure !== null) return { kind: 'unreachable', reason: failure }
  const program = await findProgram(agent, directory)
  if (program === null) throw new Error(`${agent.packageName}@${agent.version} was installed but does not run here`)
  return { kind: 'installed', program }
}

const NETWORK_FAILURE = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET/

/** Null when it worked, else the line in which npm says that the network failed. */
async function npmInstall(directory: string): Promise<string | null> {
  const args = ['install', '--no-audit', '--no-fund', '--loglevel=error', '--fetch-retries=1']
  try {
    const options = { cwd: directory, env: environmentIn(directory), timeout: INSTALL_LIMIT_MS, maxBuffer: 1 << 24 }
    await promisify(execFile)('npm', args, options)
    return null
  } catch (error) {
    const said = String((error as { stderr?: unknown }).stderr ?? error)
    const line = said.split('\n').find((text) => NETWORK_FAILURE.test(text))
    if (line === undefined) throw new Error(`npm could not install the clients:\n${said}`, { cause: error })
    return line.trim()
  }
}

/** The program of the pinned version, wherever the package put it; null when there is none that runs. */
async function findProgram(agent: Agent, directory: string): Promise<string | null> {
  for (const place of agent.places) {
    const program = join(directory, 'node_modules', place)
    if (existsSync(program) && (await versionOf(program, directory)) === agent.version) return program
  }
  return null
}

/** Each writes its version somewhere in the line that it prints. */
async function versionOf(program: string, directory: string): Promise<string | null> {
  try {
    const { file, before } = startOf(program)
    const options = { env: environmentIn(directory), timeout: VERSION_LIMIT_MS }
    const { stdout } = await promisify(execFile)(file, [...before, '--version'], options)
    return /\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? null
  } catch {
    return null
  }
}

/** The agents make directories of their own even to tell their version: not in the user's home, but beside themselves. */
function environmentIn(directory: string): NodeJS.ProcessEnv {
  const home = join(directory, 'home')
  const places = { XDG_CONFIG_HOME: home, XDG_DATA_HOME: home, XDG_CACHE_HOME: home, XDG_STATE_HOME: home }
  const own = { ...places, CLAUDE_CONFIG_DIR: home, CODEX_HOME: home, GEMINI_CLI_HOME: home }
  return { ...process.env, ...own, OPENCODE_DISABLE_AUTOUPDATE: '1', DISABLE_AUTOUPDATER: '1' }
}
