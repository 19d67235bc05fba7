/** Runs `bin/zendo.js` from outside, on the oldest Node that this machine has, as `npx zendo` would. */
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'

const LAUNCHER = join(import.meta.dirname, '..', 'bin', 'zendo.js')
/** `npm test` puts the pinned runtime first; an operator's shell has another one, which need not know TypeScript. */
const NODE = oldestNode()

function oldestNode(): string {
  const places = (process.env.PATH ?? '').split(delimiter).map((directory) => join(directory, 'node'))
  const found = [
    process.execPath,
    ...new Set(places.filter((path) => existsSync(path)).map((path) => realpathSync(path))),
  ]
  const versions = found.map((path) => ({ path, major: majorOf(path) })).filter(({ major }) => major >= 20)
  versions.sort((a, b) => a.major - b.major)
  return versions[0]?.path ?? process.execPath
}

function majorOf(path: string): number {
  return Number(/^v(\d+)/.exec(execFileSync(path, ['--version'], { encoding: 'utf8' }))?.[1] ?? 0)
}

function createDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'zendo-launcher-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

function run(cwd: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(NODE, [LAUNCHER, ...args], { cwd, encoding: 'utf8', env: cleanEnv() })
  return { status, stdout, stderr }
}

/** Without the developer's own settings. */
function cleanEnv(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('ZENDO_') && name !== 'DATABASE_URL')
  return { ...Object.fromEntries(own), ...more }
}

interface Served {
  readonly url: string
  readonly key: string
  readonly child: ChildProcess
  /** The exit code, once it has ended. */
  readonly ended: Promise<unknown>
}

async function serve(t: TestContext, dataDir: string): Promise<Served> {
  const child = spawn(NODE, [LAUNCHER, 'serve', '--port', '0', '--data-dir', dataDir], {
    cwd: dataDir,
    env: cleanEnv(),
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  t.after(() => killGroup(child))
  const ended = once(child, 'exit').then(([code]) => code)
  let printed = ''
  for await (const chunk of child.stdout) {
    printed += chunk
    const url = /listening on (http:\S+)/.exec(printed)?.[1]
    const key = /sk-zendo-\w{34}/.exec(printed)?.[0]
    if (url !== undefined && key !== undefined) return { url, key, child, ended }
  }
  throw new Error(`it ended without being ready: ${printed}`)
}

/** The launcher and what it launched, if a failure left them. */
function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // Both have ended.
  }
}

describe('bin/zendo.js', () => {
  it('answers, and passes arguments, exit code and both outputs through', (t) => {
    const directory = createDirectory(t)
    const help = run(directory, '--help')
    assert.deepEqual([help.status, help.stderr], [0, ''])
    assert.match(help.stdout, /^Usage: zendo /)
    const failed = run(directory, 'key', 'list', '--json')
    assert.deepEqual([failed.status, failed.stdout], [1, ''])
    assert.equal(JSON.parse(failed.stderr).error.code, 'no_database')
    assert.equal(run(directory, 'nope').status, 2)
  })

  it('without `npm ci` says so', (t) => {
    const directory = createDirectory(t)
    mkdirSync(join(directory, 'bin'))
    copyFileSync(LAUNCHER, join(directory, 'bin', 'zendo.mjs'))
    const ran = spawnSync(NODE, [join(directory, 'bin', 'zendo.mjs'), '--help'], { encoding: 'utf8' })
    assert.equal(ran.status, 1)
    assert.match(ran.stderr, /Run "npm ci"/)
    assert.equal(ran.stderr.includes('at '), false)
  })

  it('serve starts the server, commands work beside it, and SIGTERM drains it', { timeout: 60_000 }, async (t) => {
    const dataDir = createDirectory(t)
    const { url, key, child, ended } = await serve(t, dataDir)
    const usage = () => fetch(`${url}/zen/v1/usage`, { headers: { authorization: `Bearer ${key}` } })
    const before = await usage()
    assert.equal(before.status, 200)
    assert.equal(((await before.json()) as { balance: { available: string } }).balance.available, '5.00')
    const list = run(dataDir, 'key', 'list', '--data-dir', dataDir, '--json')
    const { keys } = JSON.parse(list.stdout) as { keys: { id: string }[] }
    assert.equal(run(dataDir, 'credit', 'grant', '1', '--data-dir', dataDir).status, 0)
    assert.equal(((await (await usage()).json()) as { balance: { available: string } }).balance.available, '6.00')
    assert.equal(run(dataDir, 'key', 'revoke', keys[0]?.id ?? '', '--data-dir', dataDir).status, 0)
    assert.ok(await becomes(async () => (await usage()).status === 403, 1000), 'the revoked key still works')
    child.kill('SIGTERM')
    assert.equal(await ended, 0)
    await assert.rejects(usage())
  })
})

/** Asks again and again until the answer is yes; false after the limit. */
async function becomes(ask: () => Promise<boolean>, limitMs: number): Promise<boolean> {
  const startedAtMs = performance.now()
  while (!(await ask())) if (performance.now() - startedAtMs > limitMs) return false
  return true
}

it('serve runs with the flags of npm start', () => {
  const launcher = readFileSync(LAUNCHER, 'utf8')
  const manifest = readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8')
  const flagsOf = (text: string): string[] => [...text.matchAll(/--[a-z-]+(?:=\d+)?(?=[' ])/g)].map(([flag]) => flag)
  const started = flagsOf((JSON.parse(manifest) as { scripts: { start: string } }).scripts.start)
  assert.ok(started.length > 0)
  assert.deepEqual(flagsOf(/SERVER_FLAGS = \[(.*)\]/.exec(launcher)?.[1] ?? ''), started)
})
