/** Measures the time to the first token at one request at a time, in turns through the subject and without it. */
import { buildRequest } from './bodies.ts'
import type { AlternatingJob, AlternatingResult } from './job.ts'
import { type Connection, type Exchange, openConnection } from './load-connection.ts'
import { addSample, createSamples, percentilesOf, type Samples } from './samples.ts'

interface Side {
  readonly request: Buffer
  readonly connection: Connection
  readonly samples: Samples
  answered: number
}

interface Turns {
  failed: number
  firstFailure: string | undefined
  readonly measureFromMs: number
  readonly endAtMs: number
}

export function runAlternating(job: AlternatingJob): Promise<AlternatingResult> {
  const measureFromMs = performance.now() + job.warmUpMs
  const turns: Turns = { failed: 0, firstFailure: undefined, measureFromMs, endAtMs: measureFromMs + job.measureMs }
  return new Promise((resolve) => {
    const takeTurn = (side: Side): void => {
      if (performance.now() < turns.endAtMs) {
        side.connection.send(side.request)
        return
      }
      for (const each of [subject, direct]) each.connection.close()
      resolve(summarize(turns, subject, direct))
    }
    const subject: Side = openSide(job, job.target, turns, () => takeTurn(direct))
    const direct: Side = openSide(job, job.direct, turns, () => takeTurn(subject))
    takeTurn(subject)
  })
}

function openSide(job: AlternatingJob, target: AlternatingJob['target'], turns: Turns, onEnd: () => void): Side {
  const side: Side = {
    request: buildRequest(target, job.body),
    samples: createSamples(),
    answered: 0,
    connection: openConnection(target.port, {
      onDone: (exchange) => {
        if (exchange.status === 200) recordFirstToken(side, turns, exchange)
        else countFailure(turns, `${exchange.status} ${exchange.failureText}`)
        onEnd()
      },
      onBroken: (reason) => {
        countFailure(turns, reason)
        onEnd()
      },
    }),
  }
  return side
}

function countFailure(turns: Turns, reason: string): void {
  turns.failed++
  turns.firstFailure ??= reason.slice(0, 300)
}

function recordFirstToken(side: Side, turns: Turns, exchange: Exchange): void {
  side.answered++
  if (exchange.startedAtMs >= turns.measureFromMs) {
    addSample(side.samples, exchange.firstByteAtMs - exchange.startedAtMs)
  }
}

function summarize(turns: Turns, subject: Side, direct: Side): AlternatingResult {
  return {
    kind: 'alternating',
    answered: subject.answered,
    failed: turns.failed,
    firstFailure: turns.firstFailure,
    firstTokenMs: percentilesOf(subject.samples),
    directFirstTokenMs: percentilesOf(direct.samples),
    directAnswered: direct.answered,
  }
}
