/** Processes that a run starts, all of which end with it, however it ends. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export const REPOSITORY = join(import.meta.dirname, '..', '..', '..')

const children = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of children) killGroup(child.pid ?? 0)
})
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => process.exit(1))

/** Starts Node on a file of the repository, as the leader of a group that its own children belong to. */
export function startNode(args: readonly string[], options: SpawnOptions): ChildProcess {
  // A run that is killed cannot clean up: the system then does.
  const command = ['--pdeathsig=KILL', '--', process.execPath, ...args]
  const child = spawn('setpriv', command, { cwd: REPOSITORY, detached: true, ...options })
  children.add(child)
  child.once('exit', () => {
    // What a process leaves behind in its group is ended by whoever started it, at the latest when the run ends.
    if (!listGroup(child.pid ?? 0).length) children.delete(child)
  })
  return child
}

/** SIGKILL to a process and all that it started. */
export function killGroup(pid: number): void {
  if (pid > 0) trySignal(-pid, 'SIGKILL')
}

export function trySignal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}

/** What a process has started and still runs, not counting itself. */
export function listGroup(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
    return text === '' ? [] : text.split(' ').map(Number)
  } catch {
    return []
  }
}

/** Ended ones may still be listed for whoever started them. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** What children inherit: settings of the developer's own instance must not reach them. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const isForeign = (name: string): boolean => !name.startsWith('ZENDO_') && name !== 'DATABASE_URL'
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => isForeign(name)))
}
