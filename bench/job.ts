/** What the runner asks of the load generator and what it gets back: plain data that crosses the process border. */
import type { Protocol } from '../src/base/words.ts'
import type { Answer } from './answer.ts'
import type { Percentiles } from './samples.ts'

/** Which prepared request is sent, and so which scripted answer the mock gives. */
export type BodyKind = 'small' | 'large' | 'stream' | 'paced' | 'first-token'

export interface Target {
  readonly port: number
  /** What is spoken there. */
  readonly protocol: Protocol
  /** Full path of the route, with the query. */
  readonly path: string
  readonly key: string | undefined
  readonly model: string
}

interface JobBase {
  readonly body: BodyKind
  readonly target: Target
  readonly warmUpMs: number
  readonly measureMs: number
}

/** Keeps `concurrency` requests in flight, one per connection. `startSpreadMs` spaces the first request of each. */
export interface ClosedLoopJob extends JobBase {
  readonly kind: 'closed-loop'
  readonly concurrency: number
  readonly startSpreadMs: number
  /** Processes whose CPU time and memory are read at both ends of the window. */
  readonly watchPids: readonly number[]
  /** The mock's and the load's processes: whatever else runs on their core is foreign. */
  readonly rigPids: readonly number[]
}

/** One request at a time, in turns to the target and straight to the mock, to subtract like from like. */
export interface AlternatingJob extends JobBase {
  readonly kind: 'alternating'
  readonly direct: Target
}

/** One request; answers with what came back, to compare with what the mock sent. */
export interface ProbeJob {
  readonly kind: 'probe'
  readonly body: BodyKind
  readonly target: Target
}

export type Job = ClosedLoopJob | AlternatingJob | ProbeJob

export interface Answers {
  /** Complete 200 answers over the whole job: warm-up, window and drain. */
  readonly answered: number
  /** Other answers, streams without their end, broken connections, and no answer ten seconds after the last request. */
  readonly failed: number
  readonly firstFailure: string | undefined
}

export interface ClosedLoopResult extends Answers {
  readonly kind: 'closed-loop'
  /** The real length of the window. */
  readonly seconds: number
  readonly requests: number
  readonly events: number
  readonly bodyBytes: number
  readonly latencyMs: Percentiles
  /** Time between two events of one stream. */
  readonly gapMs: Percentiles
  /** Streams whose events were at most one in a hundred later than one pace behind schedule, of all that ended. */
  readonly streamsHeld: number
  readonly streamsEnded: number
  readonly cpuUs: number
  readonly rssBytes: number
  /** Share of the window, 0 to 1. */
  readonly loadCoreBusy: number
  /** CPU on either core that was neither the subject nor the rig, share of the window; the worse of the two. */
  readonly foreignCpu: number
  readonly stolen: number
}

export interface AlternatingResult extends Answers {
  readonly kind: 'alternating'
  /** From sending the request to the first token. */
  readonly firstTokenMs: Percentiles
  readonly directFirstTokenMs: Percentiles
  /** Requests answered by the mock without a gateway. */
  readonly directAnswered: number
}

export interface ProbeResult extends Answers {
  readonly kind: 'probe'
  readonly bodyBytes: number
  readonly bodySha256: string
  /** What the body says, whatever it is written in. */
  readonly answer: Answer | undefined
}

export type JobResult = ClosedLoopResult | AlternatingResult | ProbeResult
