/** Measures the time to the first token at one request at a time, in turns through the subject and without it. */
import { endMarkOf } from './answer.ts'
import { buildRequest } from './bodies.ts'
import type { AlternatingJob, AlternatingResult } from './job.ts'
import { type Connection, type Exchange, openConnection } from './load-connection.ts'
import { FIRST_TOKEN_TEXT } from './mock-replies.ts'
import { addSample, createSamples, percentilesOf, type Samples } from './samples.ts'

interface Side {
  readonly request: Buffer
  readonly connection: Connection
  readonly samples: Samples
  /** The answer until its first token, whose time is then known. */
  begun: string
  firstTokenAtMs: number
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
    begun: '',
    firstTokenAtMs: 0,
    answered: 0,
    connection: openConnection(target.port, {
      endMark: endMarkOf(target.protocol),
      onBody: (_exchange, _newEvents, bytes) => lookForToken(side, bytes),
      onDone: (exchange) => {
        const failure = failureOf(side, exchange)
        if (failure === undefined) recordFirstToken(side, turns, exchange)
        else countFailure(turns, failure)
        startOver(side)
        onEnd()
      },
      onBroken: (reason) => {
        countFailure(turns, reason)
        startOver(side)
        onEnd()
      },
    }),
  }
  return side
}

/** Protocols say different things before their first token, so it is the text that counts and not the first byte. */
function lookForToken(side: Side, bytes: Buffer): void {
  if (side.firstTokenAtMs > 0) return
  side.begun += bytes.toString('latin1')
  if (side.begun.includes(FIRST_TOKEN_TEXT)) side.firstTokenAtMs = performance.now()
}

function failureOf(side: Side, exchange: Exchange): string | undefined {
  if (exchange.status !== 200) return `${exchange.status} ${exchange.failureText}`
  if (side.firstTokenAtMs === 0) return 'a stream without its first token'
  return exchange.ends === 1 ? undefined : `a stream with ${exchange.ends} ends`
}

function startOver(side: Side): void {
  side.begun = ''
  side.firstTokenAtMs = 0
}

function countFailure(turns: Turns, reason: string): void {
  turns.failed++
  turns.firstFailure ??= reason.slice(0, 300)
}

function recordFirstToken(side: Side, turns: Turns, exchange: Exchange): void {
  side.answered++
  if (exchange.startedAtMs >= turns.measureFromMs) {
    addSample(side.samples, side.firstTokenAtMs - exchange.startedAtMs)
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
