/** What the tests of backup, restore and migration play on: a server under load, and commands beside it. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { DatabasePlace } from '../../src/store/open-database.ts'
import { answerFully, requestIdOf, sceneConfig } from '../money/scene.ts'
import { CHAT } from '../support/dialect.ts'
import { startFaultUpstream } from '../support/fault-upstream.ts'
import { type Instance, startInstance } from '../support/instance.ts'
import { watch } from '../support/stream-client.ts'

const REPOSITORY = join(import.meta.dirname, '..', '..')
const COMMAND_LIMIT_MS = 120_000

export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'zendo-lifecycle-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

export interface Ran {
  /** Null when a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs `zendo` as a process of its own, on a data directory and perhaps a PostgreSQL database. */
export function runZendo(
  args: readonly string[],
  { dataDir, place, env = {} }: { dataDir: string; place?: DatabasePlace; env?: Readonly<Record<string, string>> },
): Promise<Ran> {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('ZENDO_') && name !== 'DATABASE_URL')
  const settings = { ...Object.fromEntries(own), ZENDO_DATA_DIR: dataDir, ...databaseOf(place), ...env }
  const options = { cwd: REPOSITORY, env: settings, maxBuffer: 1 << 26, timeout: COMMAND_LIMIT_MS }
  return new Promise((resolve) => {
    execFile(process.execPath, ['bin/zendo.js', ...args], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null
      resolve({ code, stdout, stderr })
    })
  })
}

/** Runs with `--json`. @throws Error when it failed or found something */
export async function zendoJson<T>(args: readonly string[], where: Parameters<typeof runZendo>[1]): Promise<T> {
  const { code, stdout, stderr } = await runZendo([...args, '--json'], where)
  if (code !== 0) throw new Error(`zendo ${args.join(' ')} ended with ${code}: ${stdout}${stderr}`)
  return JSON.parse(stdout)
}

export function databaseOf(place: DatabasePlace | undefined): Record<string, string> {
  return place && 'url' in place ? { DATABASE_URL: place.url } : {}
}

export interface World {
  readonly instance: Instance
  readonly config: object
  /** Asks once with a key; resolves with the id of the request when all of the answer came, else null. */
  ask(key?: string): Promise<string | null>
  /** Clients that ask one request after the other, until stopped; resolves with the ids of those that were answered. */
  load(clients: number): { readonly answered: string[]; stop(): Promise<string[]> }
}

/** A server with plenty of credit; the end of the test removes it. */
export async function startWorld(t: TestContext, place?: DatabasePlace): Promise<World> {
  const upstream = await startFaultUpstream(answerFully)
  t.after(() => upstream.close())
  const config = sceneConfig(upstream)
  const instance = await startInstance({ config, env: databaseOf(place) })
  t.after(() => instance.remove())
  await instance.cli('credit', 'grant', '100000')
  const ask = (key = instance.apiKey): Promise<string | null> => askOnce(instance.baseUrl(), key)
  return {
    instance,
    config,
    ask,
    load(clients) {
      const answered: string[] = []
      let isStopping = false
      const client = async (): Promise<void> => {
        while (!isStopping) {
          const id = await ask()
          if (id !== null) answered.push(id)
        }
      }
      const running = Array.from({ length: clients }, client)
      return {
        answered,
        async stop() {
          isStopping = true
          await Promise.all(running)
          return answered
        },
      }
    },
  }
}

export async function askOnce(baseUrl: string, key: string): Promise<string | null> {
  const body = CHAT.request({ tag: 'lifecycle', model: 'exact', stream: true, maxTokens: 10 })
  const answer = watch(`${baseUrl}/zen/v1/${CHAT.path}`, body, { key })
  const over = await answer.over
  return over === 'whole' && answer.status() === 200 ? requestIdOf(answer) : null
}
