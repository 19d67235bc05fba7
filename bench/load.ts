/**
 * The load generator's process: takes one job at a time from the runner over IPC and answers with what it measured.
 *
 * It reads the subject's CPU time itself at both ends of the window, so that requests and CPU cover the same time.
 */
import { createHash } from 'node:crypto'
import { runAlternating } from './alternating.ts'
import { type Answer, readAnswer } from './answer.ts'
import { buildRequest, isStreamed } from './bodies.ts'
import { runClosedLoop } from './closed-loop.ts'
import type { Job, JobResult, ProbeJob, ProbeResult } from './job.ts'
import { openConnection } from './load-connection.ts'

process.on('message', (job: Job) => {
  run(job).then(
    (result) => process.send?.(result),
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    },
  )
})
process.on('disconnect', () => process.exit(0))

function run(job: Job): Promise<JobResult> {
  switch (job.kind) {
    case 'closed-loop':
      return runClosedLoop(job)
    case 'alternating':
      return runAlternating(job)
    case 'probe':
      return runProbe(job)
  }
}

function runProbe(job: ProbeJob): Promise<ProbeResult> {
  const received: Buffer[] = []
  return new Promise((resolve) => {
    const finish = (failure: string | undefined, bodyBytes: number): void => {
      connection.close()
      const failed = failure === undefined ? 0 : 1
      const answers = { answered: 1 - failed, failed, firstFailure: failure }
      const body = Buffer.concat(received)
      const bodySha256 = createHash('sha256').update(body).digest('hex')
      resolve({ kind: 'probe', ...answers, bodyBytes, bodySha256, answer: answerIn(job, body) })
    }
    const connection = openConnection(job.target.port, {
      onBody: (_exchange, _newEvents, bytes) => {
        received.push(Buffer.from(bytes))
      },
      onDone: ({ status, bodyBytes, failureText }) =>
        finish(status === 200 ? undefined : `${status} ${failureText}`, bodyBytes),
      onBroken: (reason) => finish(reason, 0),
    })
    connection.send(buildRequest(job.target, job.body))
  })
}

/** Undefined when it cannot be read. */
function answerIn({ target, body: kind }: ProbeJob, body: Buffer): Answer | undefined {
  try {
    return readAnswer(target.protocol, isStreamed(kind), body.toString())
  } catch {
    return undefined
  }
}
