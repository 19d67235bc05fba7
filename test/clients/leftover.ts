/** Ends what a client leaves running: only processes that this run started, one by one, by id. */
import { readdirSync, readFileSync } from 'node:fs'

/** Set in the environment of a run, so that its descendants are known by it even outside of its session. */
export const RUN_MARK = 'ZENDO_CLIENT_RUN'

/** @param leader id of the process that led the run's session; @returns how many were still there. Linux only. */
export function endLeftovers(leader: number, mark: string): number {
  const left = processIds().filter(
    (id) => sessionOf(id) === leader || environmentOf(id).includes(`${RUN_MARK}=${mark}`),
  )
  let ended = 0
  for (const id of left) {
    try {
      process.kill(id, 'SIGKILL')
      ended++
    } catch {
      // It has ended by itself in the meantime.
    }
  }
  return ended
}

function processIds(): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((id) => id !== process.pid)
  } catch {
    return []
  }
}

/** The sixth field; the second, a name in parentheses, may contain spaces. */
function sessionOf(id: number): number | null {
  const stat = readProc(id, 'stat')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields[3] === undefined ? null : Number(fields[3])
}

function environmentOf(id: number): string[] {
  return readProc(id, 'environ').split('\0')
}

function readProc(id: number, file: string): string {
  try {
    return readFileSync(`/proc/${id}/${file}`, 'utf8')
  } catch {
    return ''
  }
}
