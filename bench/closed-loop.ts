/** Runs a closed loop: N connections, each sends its next request when the last is answered. */
import { setTimeout as delay } from 'node:timers/promises'
import { endMarkOf } from './answer.ts'
import { buildRequest, isStreamed } from './bodies.ts'
import type { ClosedLoopJob, ClosedLoopResult } from './job.ts'
import { type Connection, type Exchange, openConnection } from './load-connection.ts'
import { PACE_MS } from './mock-replies.ts'
import { type CoreTime, readCoreTimes, readCpuUs, readRssBytes } from './proc.ts'
import { addSample, createSamples, percentilesOf, type Samples } from './samples.ts'

export const GATEWAY_CORE = 0
export const LOAD_CORE = 1
const DRAIN_LIMIT_MS = 10_000
const DRAIN_POLL_MS = 20
/** A stream is held when at most this share of its events is later than one pace behind its schedule. */
const LATE_SHARE = 0.01

interface Tally {
  answered: number
  failed: number
  firstFailure: string | undefined
  inFlight: number
  sending: boolean
  measuring: boolean
  requests: number
  events: number
  bodyBytes: number
  streamsHeld: number
  streamsEnded: number
  readonly latencies: Samples
  readonly gaps: Samples
}

/** What one connection remembers of the stream it is reading. */
interface StreamClock {
  firstEventAtMs: number
  lastEventAtMs: number
  lateEvents: number
}

interface Snapshot {
  readonly atMs: number
  readonly cpuUs: number
  readonly rigCpuUs: number
  readonly cores: readonly CoreTime[]
}

export async function runClosedLoop(job: ClosedLoopJob): Promise<ClosedLoopResult> {
  const tally = newTally()
  const request = buildRequest(job.target, job.body)
  const connections = Array.from({ length: job.concurrency }, () => openLoop(job, request, tally))
  connections.forEach((connection, index) => {
    setTimeout(() => start(connection, request, tally), (job.startSpreadMs * index) / job.concurrency)
  })
  await delay(job.warmUpMs)
  const before = snapshot(job)
  tally.measuring = true
  await delay(job.measureMs)
  tally.measuring = false
  const after = snapshot(job)
  const rssBytes = readRssBytes(job.watchPids)
  tally.sending = false
  await drain(tally)
  for (const connection of connections) connection.close()
  return summarize(tally, before, after, rssBytes)
}

function newTally(): Tally {
  const counts = { answered: 0, failed: 0, inFlight: 0, requests: 0, events: 0, bodyBytes: 0 }
  const streams = { streamsHeld: 0, streamsEnded: 0, latencies: createSamples(), gaps: createSamples() }
  return { ...counts, ...streams, firstFailure: undefined, sending: true, measuring: false }
}

function openLoop(job: ClosedLoopJob, request: Buffer, tally: Tally): Connection {
  const clock: StreamClock = { firstEventAtMs: 0, lastEventAtMs: 0, lateEvents: 0 }
  const next = (): void => {
    tally.inFlight--
    start(connection, request, tally)
  }
  const streamed = isStreamed(job.body)
  const connection: Connection = openConnection(job.target.port, {
    onDone: (exchange) => {
      if (exchange.status !== 200) countFailure(tally, `${exchange.status} ${exchange.failureText}`)
      else if (streamed && exchange.ends !== 1) countFailure(tally, `a stream with ${exchange.ends} ends`)
      else countAnswer(tally, exchange, clock)
      next()
    },
    onBroken: (reason) => {
      countFailure(tally, reason)
      next()
    },
    ...(streamed && {
      onBody: (exchange, events) => onEvents(tally, clock, exchange, events),
      endMark: endMarkOf(job.target.protocol),
    }),
  })
  return connection
}

function start(connection: Connection, request: Buffer, tally: Tally): void {
  if (!tally.sending) return
  tally.inFlight++
  connection.send(request)
}

function countAnswer(tally: Tally, exchange: Exchange, clock: StreamClock): void {
  tally.answered++
  if (!tally.measuring) return
  tally.requests++
  tally.bodyBytes += exchange.bodyBytes
  addSample(tally.latencies, exchange.endedAtMs - exchange.startedAtMs)
  if (exchange.events === 0) return
  tally.streamsEnded++
  if (clock.lateEvents <= exchange.events * LATE_SHARE) tally.streamsHeld++
}

function countFailure(tally: Tally, reason: string): void {
  tally.failed++
  tally.firstFailure ??= reason.slice(0, 300)
}

function onEvents(tally: Tally, clock: StreamClock, exchange: Exchange, newEvents: number): void {
  if (newEvents === 0) return
  const now = performance.now()
  if (exchange.events === newEvents) {
    clock.firstEventAtMs = now
    clock.lateEvents = 0
  } else {
    const scheduledAtMs = clock.firstEventAtMs + (exchange.events - 1) * PACE_MS
    if (now > scheduledAtMs + PACE_MS) clock.lateEvents += newEvents
    if (tally.measuring) addSample(tally.gaps, now - clock.lastEventAtMs)
  }
  clock.lastEventAtMs = now
  if (tally.measuring) tally.events += newEvents
}

async function drain(tally: Tally): Promise<void> {
  for (let waitedMs = 0; tally.inFlight > 0 && waitedMs < DRAIN_LIMIT_MS; waitedMs += DRAIN_POLL_MS) {
    await delay(DRAIN_POLL_MS)
  }
  for (; tally.inFlight > 0; tally.inFlight--) countFailure(tally, `no answer ${DRAIN_LIMIT_MS} ms after the end`)
}

function snapshot(job: ClosedLoopJob): Snapshot {
  const cpu = { cpuUs: readCpuUs(job.watchPids), rigCpuUs: readCpuUs(job.rigPids) }
  return { atMs: performance.now(), ...cpu, cores: readCoreTimes() }
}

function summarize(tally: Tally, before: Snapshot, after: Snapshot, rssBytes: number): ClosedLoopResult {
  const { answered, failed, firstFailure, requests, events, bodyBytes, streamsHeld, streamsEnded } = tally
  const windowUs = (after.atMs - before.atMs) * 1000
  const core = (index: number, of: keyof CoreTime): number =>
    ((after.cores[index]?.[of] ?? 0) - (before.cores[index]?.[of] ?? 0)) / windowUs
  const cpuUs = after.cpuUs - before.cpuUs
  const rigUs = after.rigCpuUs - before.rigCpuUs
  const loadCoreBusy = core(LOAD_CORE, 'busyUs')
  return {
    kind: 'closed-loop',
    ...{ answered, failed, firstFailure, requests, events, bodyBytes, streamsHeld, streamsEnded },
    seconds: windowUs / 1e6,
    latencyMs: percentilesOf(tally.latencies),
    gapMs: percentilesOf(tally.gaps),
    cpuUs,
    rssBytes,
    loadCoreBusy,
    foreignCpu: Math.max(0, core(GATEWAY_CORE, 'busyUs') - cpuUs / windowUs, loadCoreBusy - rigUs / windowUs),
    stolen: core(GATEWAY_CORE, 'stealUs') + core(LOAD_CORE, 'stealUs'),
  }
}
