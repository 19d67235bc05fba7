/** Installs the pinned clients from the npm registry into `.cache/clients`, once. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const CACHE = join(import.meta.dirname, '..', '..', '.cache', 'clients')
const INSTALL_LIMIT_MS = 300_000
const VERSION_LIMIT_MS = 30_000

/** The version that the guides and the captures speak of. */
export const OPENCODE_VERSION = '1.18.33'

export type Installation =
  | { readonly kind: 'installed'; readonly binary: string }
  /** Only when the registry cannot be reached; whatever else goes wrong is thrown. */
  | { readonly kind: 'unreachable'; readonly reason: string }

/** @throws when npm fails for another reason than the network, or what it installed does not run */
export async function installOpencode(): Promise<Installation> {
  const directory = join(CACHE, 'opencode')
  const present = await findBinary(directory)
  if (present !== null) return { kind: 'installed', binary: present }
  await mkdir(directory, { recursive: true })
  const manifest = {
    private: true,
    dependencies: { 'opencode-ai': OPENCODE_VERSION },
    // Its install script puts the program for this machine in place; npm runs only scripts that are named.
    allowScripts: { 'opencode-ai': true },
  }
  await writeFile(join(directory, 'package.json'), JSON.stringify(manifest, null, 2))
  const failure = await npmInstall(directory)
  if (failure !== null) return { kind: 'unreachable', reason: failure }
  const binary = await findBinary(directory)
  if (binary === null) throw new Error(`opencode-ai@${OPENCODE_VERSION} was installed but does not run here`)
  return { kind: 'installed', binary }
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
async function findBinary(directory: string): Promise<string | null> {
  const modules = join(directory, 'node_modules')
  const platform = `opencode-${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  const places = [
    join(modules, 'opencode-ai', 'bin', 'opencode.exe'),
    join(modules, platform, 'bin', 'opencode'),
    join(modules, `${platform}-baseline`, 'bin', 'opencode'),
  ]
  for (const place of places) {
    if (existsSync(place) && (await versionOf(place, directory)) === OPENCODE_VERSION) return place
  }
  return null
}

async function versionOf(binary: string, directory: string): Promise<string | null> {
  try {
    const options = { env: environmentIn(directory), timeout: VERSION_LIMIT_MS }
    const { stdout } = await promisify(execFile)(binary, ['--version'], options)
    return stdout.trim()
  } catch {
    return null
  }
}

/** The client makes directories of its own even to tell its version: not in the user's home, but beside itself. */
function environmentIn(directory: string): NodeJS.ProcessEnv {
  const home = join(directory, 'home')
  const own = { XDG_CONFIG_HOME: home, XDG_DATA_HOME: home, XDG_CACHE_HOME: home, XDG_STATE_HOME: home }
  return { ...process.env, ...own, OPENCODE_DISABLE_AUTOUPDATE: '1' }
}
