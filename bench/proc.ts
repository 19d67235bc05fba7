/** Reads what the operating system says about processes and cores (Linux `/proc`), see proc(5). */
import { readdirSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'

/** `getconf CLK_TCK` is 100 on every Linux that Node.js supports: one tick is 10 ms. */
const TICK_US = 10_000

/** User plus system time of the processes, all threads, in microseconds. */
export function readCpuUs(pids: readonly number[]): number {
  return sum(pids, (pid) => {
    const fields = statFields(pid)
    return (Number(fields[11]) + Number(fields[12])) * TICK_US
  })
}

/** The same of a server whose children come and go: what has ended counts in its parent. */
export function readServerCpuUs(pids: readonly number[]): number {
  return sum(pids, (pid) => {
    try {
      const fields = statFields(pid)
      return [11, 12, 13, 14].reduce((total, index) => total + Number(fields[index]), 0) * TICK_US
    } catch {
      return 0
    }
  })
}

/** Resident memory of the processes in bytes. */
export function readRssBytes(pids: readonly number[]): number {
  return sum(pids, (pid) => {
    const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    return Number(line?.[1] ?? 0) * 1024
  })
}

export interface CoreTime {
  /** Everything but idle and waiting for disks. */
  readonly busyUs: number
  /** Taken by the hypervisor for others. */
  readonly stealUs: number
}

export function readCoreTimes(): CoreTime[] {
  const lines = readFileSync('/proc/stat', 'utf8').matchAll(/^cpu\d+ (.+)$/gm)
  return [...lines].map((line) => {
    const [user, nice, system, , , irq, softirq, steal] = (line[1] as string).split(' ').map(Number)
    const busy = (user ?? 0) + (nice ?? 0) + (system ?? 0) + (irq ?? 0) + (softirq ?? 0)
    return { busyUs: busy * TICK_US, stealUs: (steal ?? 0) * TICK_US }
  })
}

/** A process and all its descendants: a gateway's workers count as the gateway. */
export function processTree(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  )
  return [pid, ...children.flatMap(processTree)]
}

export function describeMachine(): string {
  const model = cpus()[0]?.model ?? 'unknown processor'
  const memoryKb = Number(/^MemTotal:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0)
  const kernel = readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim()
  return `${cpus().length} cores ${model}, ${(memoryKb / 1024 ** 2).toFixed(1)} GiB, Linux ${kernel}`
}

/** Fields of `/proc/<pid>/stat` from the state on: the name before it may contain spaces and brackets. */
function statFields(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0)
}
