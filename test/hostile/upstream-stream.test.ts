/** Upstreams whose streams break, stall, swell or never end: always an error in-band, never an end that looks whole. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { CHAT, CHUNKED_STREAM_HEAD, chunk, DIALECTS, type Dialect, STREAM_HEAD } from '../support/dialect.ts'
import type { ReceivedCall, Script } from '../support/fault-upstream.ts'
import { type WatchedAnswer, watch } from '../support/stream-client.ts'
import { until, within } from '../support/until.ts'
import { startTarget, type Target, UPSTREAM_KEY } from './target.ts'

const IDLE_MS = 900
const TOTAL_MS = 2500
/** How late a timer of the gateway may fire. */
const LATE_MS = 1000
/** And how much later this process may notice it on a busy machine. */
const NOTICE_MS = 2500

let target: Target
before(async () => {
  target = await startTarget({ timeouts: { connectMs: 700, headersMs: IDLE_MS, idleMs: IDLE_MS, totalMs: TOTAL_MS } })
})
after(() => target.closeUnharmed())

let serial = 0
function open(
  dialect: Dialect,
  script: Script,
  { stream = true, model = 'chat-model' } = {},
): { answer: WatchedAnswer; tag: string } {
  const tag = `stream-${serial++}`
  target.upstream.on(tag, script)
  const body = dialect.request({ model, stream, maxTokens: 100, tag })
  const url = `${target.instance.baseUrl()}/zen/v1/${dialect.path}`
  return { answer: watch(url, body, { key: target.instance.apiKey }), tag }
}

interface StreamFault {
  readonly name: string
  /** What follows the head, the opening and one delta. */
  readonly rest: (call: ReceivedCall) => void | Promise<void>
  /** The timer that ends it; without one it ends at once. */
  readonly timerMs?: number
}

const writing = (name: string, text: string): StreamFault => ({
  name,
  rest: async (call) => {
    await call.write(text)
    call.end()
  },
})

function streamFaults(dialect: Dialect): StreamFault[] {
  const { terminal } = dialect
  const next = dialect.delta('and more')
  return [
    writing('ends', ''),
    writing('ends after its usage', dialect.path === 'messages' ? dialect.closing({ input: 5, output: 5 }) : next),
    writing('ends inside an event', next.slice(0, 40)),
    writing('ends inside its last event', dialect.path === 'messages' ? terminal.slice(0, 30) : next.slice(0, -1)),
    { name: 'is reset', rest: (call) => call.reset() },
    writing('turns into HTML', '<html><body>Bad gateway</body></html>\n\n'),
    writing(
      'reports an error',
      'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n',
    ),
    writing('reports a broken error', 'event: error\ndata: {"error":\n\n'),
    writing(
      'reports a fault of the account',
      'event: error\ndata: {"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}\n\n',
    ),
    { name: 'falls silent', rest: () => {}, timerMs: IDLE_MS },
    {
      name: 'sends nothing but comments',
      rest: (call) => trickle(call, ': still here\n\n'),
      timerMs: TOTAL_MS,
    },
    { name: 'goes on for too long', rest: (call) => trickle(call, next), timerMs: TOTAL_MS },
    { name: 'sends an event of 9 MiB', rest: (call) => call.write(`data: ${'a'.repeat(9 * 1024 * 1024)}`) },
    { name: 'sends a line without end', rest: (call) => flood(call, 'a'.repeat(1024 * 1024)) },
    { name: 'sends an event of endless lines', rest: (call) => flood(call, `${'data: a\n'.repeat(100_000)}`) },
  ]
}

async function trickle(call: ReceivedCall, text: string): Promise<void> {
  const timer = setInterval(() => void call.write(text), 100)
  await call.closed
  clearInterval(timer)
}

async function flood(call: ReceivedCall, text: string): Promise<void> {
  while (!call.isClosed()) await call.write(text)
}

describe('an upstream that breaks, stalls or swells', { concurrency: 6 }, () => {
  for (const dialect of DIALECTS) {
    describe(`${dialect.protocol}: a stream that breaks never looks whole`, { concurrency: 10 }, () => {
      for (const { name, rest, timerMs = 0 } of streamFaults(dialect)) {
        it(`one that ${name}`, async () => {
          const { answer, tag } = open(dialect, async (call) => {
            await call.write(STREAM_HEAD + dialect.opening(20) + dialect.delta('first words'))
            await rest(call)
          })
          await within('the client is told', answer.over, timerMs + NOTICE_MS)
          assert.equal(answer.status(), 200)
          assert.match(answer.text(), /first words/)
          assert.ok(!answer.text().includes(dialect.terminalMark), answer.text().slice(-500))
          assert.ok(answer.text().includes(dialect.errorMark), answer.text().slice(-500))
          assertNoSecret(answer)
          const row = target.books.find(String(answer.headers()['x-request-id']))
          assert.equal(row?.outcome, 'upstream_cut')
          if (timerMs > 0) assertInTime(answer, timerMs)
          assert.ok((row?.charged ?? -1n) >= 0n && (row?.charged ?? 0n) <= (row?.hold ?? 0n))
          assert.equal(target.upstream.callsOf(tag).length, 1, 'nothing is tried again once bytes were relayed')
          await within(
            'the upstream is let go',
            target.upstream.callsOf(tag)[0]?.closed ?? Promise.resolve(),
            NOTICE_MS,
          )
        })
      }
    })

    describe(`${dialect.protocol}: a stream that breaks before any output is free`, () => {
      const empty: Record<string, string> = {
        'nothing at all': '',
        'comments only': ': hello\n\n: bye\n\n',
        'the opening only': dialect.opening(20),
        HTML: '<html></html>\n\n',
        'an error first': 'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"no"}}\n\n',
      }
      for (const [name, text] of Object.entries(empty)) {
        it(name, async () => {
          const { answer } = open(dialect, async (call) => {
            await call.write(STREAM_HEAD + text)
            call.end()
          })
          await within('the client is told', answer.over, NOTICE_MS)
          assert.ok(!answer.text().includes(dialect.terminalMark))
          assert.ok(answer.text().includes(dialect.errorMark), `${answer.status()} ${answer.text()}`)
          const row = target.books.find(String(answer.headers()['x-request-id']))
          assert.equal(row?.state, 'released')
          assert.equal(row?.charged, 0n)
        })
      }
    })

    it(`${dialect.protocol}: an error in-band gives no credential or address away`, async () => {
      const { answer } = open(dialect, async (call) => {
        const message = `key ${UPSTREAM_KEY} was refused at ${target.upstream.origin}/base/v1`
        const event = { type: 'error', error: { type: 'invalid_request_error', message } }
        await call.write(
          `${STREAM_HEAD}${dialect.opening(1)}${dialect.delta('x')}event: error\ndata: ${JSON.stringify(event)}\n\n`,
        )
        call.end()
      })
      await within('the client is told', answer.over, NOTICE_MS)
      assert.ok(answer.text().includes(dialect.errorMark))
      assertNoSecret(answer)
    })

    it(`${dialect.protocol}: the head comes as soon as the upstream's own, not with its first event`, async () => {
      const { answer, tag } = open(dialect, async (call) => {
        await call.write(STREAM_HEAD)
        await call.closed
      })
      await until('the head has come', () => answer.status() !== null, IDLE_MS - 100)
      assert.equal(answer.status(), 200)
      assert.equal(answer.text(), '')
      answer.leave()
      await within('the upstream is let go', target.upstream.callsOf(tag)[0]?.closed ?? Promise.resolve(), 2000)
    })

    it(`${dialect.protocol}: a stream cut at any event, or inside one, is told to be cut`, async () => {
      const events = [dialect.opening(9), ...Array.from({ length: 4 }, (_, i) => dialect.delta(`word ${i}`))]
      const whole = events.join('')
      const cuts = events.flatMap((event, i) => {
        const start = events.slice(0, i).join('').length
        return [start + 1, start + Math.floor(event.length / 2), start + event.length - 1, start + event.length]
      })
      const answers = cuts.map((cut) =>
        open(dialect, async (call) => {
          await call.write(STREAM_HEAD + whole.slice(0, cut))
          call.end()
        }),
      )
      for (const [i, { answer }] of answers.entries()) {
        await within('the client is told', answer.over, 3000)
        assert.ok(answer.text().includes(dialect.errorMark), `cut after ${cuts[i]} bytes: ${answer.text()}`)
        assert.ok(!answer.text().includes(dialect.terminalMark))
      }
    })

    it(`${dialect.protocol}: a broken chunk is a broken stream`, async () => {
      const { answer } = open(dialect, async (call) => {
        await call.write(CHUNKED_STREAM_HEAD + chunk(dialect.opening(1) + dialect.delta('words')))
        await call.write('nonsense\r\n')
      })
      await within('the client is told', answer.over, NOTICE_MS)
      assert.ok(answer.text().includes(dialect.errorMark))
      assert.ok(!answer.text().includes(dialect.terminalMark))
    })

    it(`${dialect.protocol}: an upstream that goes on after its end is cut off, and the answer is whole`, async () => {
      const tail = dialect.closing({ input: 5, output: 5 }) + dialect.terminal
      const { answer, tag } = open(dialect, async (call) => {
        await call.write(STREAM_HEAD + dialect.opening(5) + dialect.delta('done') + tail)
        await trickle(call, ': more\n\n')
      })
      assert.equal(await within('the answer ends', answer.over, 4000), 'whole')
      await within('the upstream is let go', target.upstream.callsOf(tag)[0]?.closed ?? Promise.resolve(), NOTICE_MS)
    })

    it(`${dialect.protocol}: a stream in single bytes, odd line ends and unknown events is relayed as it came`, async () => {
      const odd = `: hi\r\n\r\nevent: unknown\r\ndata: {"a":1}\r\rid: 5\nretry: 9\n\n`
      const text =
        dialect.opening(5) + odd + dialect.delta('bytes') + dialect.closing({ input: 5, output: 2 }) + dialect.terminal
      const { answer } = open(dialect, async (call) => {
        await call.write(STREAM_HEAD)
        for (const byte of text) await call.write(byte)
        call.end()
      })
      assert.equal(await within('the answer ends', answer.over, 5000), 'whole')
      // The usage the gateway had asked for is taken out of chat again.
      const expected =
        dialect.path === 'messages' ? text : text.replace(/data: [^\n]*"choices":\[\],"usage"[^\n]*\n\n/, '')
      assert.equal(answer.text(), expected)
    })
  }

  describe('an upstream that does not answer is given up in time', { concurrency: 10 }, () => {
    const silent: Record<string, { script: Script; timerMs: number }> = {
      'no head': { script: () => {}, timerMs: IDLE_MS },
      'half a head': { script: (call) => call.write('HTTP/1.1 200 OK\r\nx-a: '), timerMs: IDLE_MS },
      'half a body': {
        script: (call) => call.write('HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"id":'),
        timerMs: IDLE_MS,
      },
      'a body that trickles': {
        script: async (call) => {
          await call.write('HTTP/1.1 200 OK\r\n\r\n')
          await trickle(call, ' ')
        },
        timerMs: TOTAL_MS,
      },
      'interim answers for ever': {
        script: (call) => trickle(call, 'HTTP/1.1 103 Early Hints\r\n\r\n'),
        timerMs: TOTAL_MS,
      },
    }
    for (const [name, { script, timerMs }] of Object.entries(silent)) {
      for (const stream of [false, true]) {
        it(`${name}${stream ? ', asked for a stream' : ''}`, async () => {
          const { answer, tag } = open(CHAT, script, { stream })
          await within('the client is told', answer.over, timerMs + NOTICE_MS)
          assert.equal(answer.status(), 503)
          assert.match(answer.text(), /"upstream_unavailable"/)
          assertInTime(answer, timerMs)
          await within(
            'the upstream is let go',
            target.upstream.callsOf(tag)[0]?.closed ?? Promise.resolve(),
            NOTICE_MS,
          )
          assert.equal(target.books.find(String(answer.headers()['x-request-id']))?.charged, 0n)
        })
      }
    }
  })
})

// Of what is paid for so much would be cut off, as far more than was asked for.
const FREE = { model: 'free-model' }

it('a client that reads nothing holds the upstream back instead of filling the memory', async () => {
  const before = target.instance.residentMiB()
  let sent = 0
  const { answer, tag } = open(
    CHAT,
    async (call) => {
      await call.write(STREAM_HEAD + CHAT.opening(1))
      const event = CHAT.delta('a'.repeat(65_536))
      while (!call.isClosed()) {
        await call.write(event)
        sent += event.length
      }
    },
    FREE,
  )
  answer.pause()
  const call = await target.upstream.next(tag)
  let seen = -1
  await until('the upstream is held back', async () => {
    const isStill = sent === seen
    seen = sent
    await delay(100)
    return isStill
  })
  assert.ok(!call.isClosed() && sent < 32 * 1024 * 1024, `${sent} bytes were taken`)
  assert.ok(target.instance.residentMiB() - before < 64)
  answer.leave()
  await within('the upstream is let go', call.closed, 3000)
  await until('its row is ended', () => target.books.openHolds() === 0)
})

/** By the gateway's own clock: this process may notice later. A busy turn of its event loop starts a timer in the past. */
function assertInTime(answer: WatchedAnswer, timerMs: number): void {
  const [attempt] = target.books.attempts(String(answer.headers()['x-request-id']))
  const tookMs = Number(attempt?.took_ms)
  assert.ok(tookMs >= timerMs / 2 && tookMs <= timerMs + LATE_MS, `a timer of ${timerMs} ms took ${tookMs}`)
}

function assertNoSecret(answer: WatchedAnswer): void {
  const text = `${JSON.stringify(answer.headers())} ${answer.text()}`
  for (const secret of [UPSTREAM_KEY, new URL(target.upstream.origin).host, target.instance.apiKey]) {
    assert.ok(!text.includes(secret), `leaked ${secret}`)
  }
}
