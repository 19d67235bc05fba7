/**
 * Named places where a test can make the process die or fail, to prove that money survives it there.
 *
 * `ZENDO_FAILPOINT=end.before_commit=kill@3` kills the process the third time it comes by. Unset, a place costs one
 * comparison.
 */

export type FailpointName =
  | 'hold.before_commit'
  | 'hold.after_commit'
  | 'dispatch.before_send'
  | 'upstream.after_head'
  | 'stream.after_chunk'
  | 'attempt.before_failover'
  | 'client.after_leave'
  | 'end.before_commit'
  | 'end.after_commit'
  | 'spill.after_sync'
  | 'frame.after_end'
  | 'sweep.before_commit'
  | 'migrate.before_commit'

interface Armed {
  readonly name: string
  readonly action: 'kill' | 'throw'
  left: number
}

const armed = readArmed(process.env.ZENDO_FAILPOINT)

/** @throws Error when a test armed this place with `throw` */
export function failpoint(name: FailpointName): void {
  if (armed === null || armed.name !== name) return
  armed.left--
  if (armed.left !== 0) return
  if (armed.action === 'throw') throw new Error(`failpoint ${name}`)
  process.kill(process.pid, 'SIGKILL')
  // The signal may take a moment; nothing must happen in it.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}

function readArmed(text: string | undefined): Armed | null {
  const match = /^([a-z_.]+)=(kill|throw)(?:@(\d+))?$/.exec(text ?? '')
  if (!match) return null
  return { name: match[1] as string, action: match[2] === 'throw' ? 'throw' : 'kill', left: Number(match[3] ?? 1) }
}
