/** A client that asks once and writes down what it saw: nothing it says is taken from the gateway's books. */
import { CHAT, type Dialect, MESSAGES } from '../../support/dialect.ts'
import { type WatchedAnswer, watch } from '../../support/stream-client.ts'
import { type Script, writeScript } from './script.ts'
import type { FundingWay } from './world.ts'

export interface Question {
  readonly script: Script
  readonly funding: FundingWay
  readonly stream: boolean
  readonly dialect?: 'chat' | 'messages'
  /** Goes to a provider that fails first. */
  readonly second?: boolean
  readonly leaveAfterBytes?: number
}

/** What a client knows of one request. */
export interface Seen {
  readonly id: string
  readonly script: Script
  readonly funding: FundingWay
  readonly stream: boolean
  readonly status: number | null
  /** The answer ended as its protocol says. */
  readonly terminal: boolean
  /** Nothing came until it lost its patience: neither an answer nor the end of the connection. */
  readonly hasHung: boolean
  /** How often the first piece of a streamed answer came. */
  readonly beginnings: number
  /** An error in-band or as a status. */
  readonly error: string | null
  readonly retryAfter: string | null
  readonly invokedAtMs: number
  readonly firstByteAtMs: number | null
  readonly overAtMs: number | null
}

export interface Asked {
  readonly id: string
  readonly question: Question
  readonly answer: WatchedAnswer
  /** Resolves when the connection is over. */
  readonly over: Promise<Seen>
  /** What is known by now. */
  seen(): Seen
}

const MAX_TOKENS = 1000
/** Far longer than anything here may take without a word. */
const PATIENCE_MS = 45_000

export function ask(baseUrl: string, key: string, question: Question): Asked {
  const { script, funding, stream, second = false } = question
  const { id } = script
  const dialect = question.dialect === 'messages' ? MESSAGES : CHAT
  const product = funding === 'plan' || funding === 'mixed' ? 'zen/go' : 'zen'
  const model = `${funding === 'free' ? 'gratis' : 'paid'}${second ? '-second' : ''}`
  const body = dialect.request({ model, stream, maxTokens: MAX_TOKENS, tag: writeScript(script) })
  const invokedAtMs = performance.now()
  let firstByteAtMs: number | null = null
  let overAtMs: number | null = null
  const answer = watch(`${baseUrl}/${product}/v1/${dialect.path}`, body, {
    key,
    headers: { 'x-zendo-tags': `chaos=${id}` },
    ...(question.leaveAfterBytes === undefined ? {} : { leaveAfterBytes: question.leaveAfterBytes }),
  })
  let hasHung = false
  const patience = setTimeout(() => {
    hasHung = answer.status() === null
    answer.leave()
  }, PATIENCE_MS)
  const isFirst = stream ? (dialect === CHAT ? 'data:' : 'event:') : '{'
  answer.saw(isFirst).then(
    () => {
      firstByteAtMs = performance.now()
    },
    () => undefined,
  )
  const seen = (): Seen => ({
    id,
    script,
    funding,
    stream,
    status: answer.status(),
    terminal: sawEnd(answer, dialect, stream, overAtMs !== null),
    hasHung,
    beginnings: answer.text().split('part 1 ').length - 1,
    error: errorIn(answer, dialect),
    retryAfter: String(answer.headers()['retry-after'] ?? '') || null,
    invokedAtMs,
    firstByteAtMs,
    overAtMs,
  })
  const over = answer.over.then((how) => {
    clearTimeout(patience)
    overAtMs = performance.now()
    return how === 'whole' ? seen() : { ...seen(), ...(stream ? {} : { terminal: false }) }
  })
  return { id, question, answer, over, seen }
}

function sawEnd(answer: WatchedAnswer, dialect: Dialect, stream: boolean, isOver: boolean): boolean {
  if (stream) return answer.text().includes(dialect.terminalMark)
  return answer.status() === 200 && isOver && isWholeJson(answer.text())
}

function isWholeJson(text: string): boolean {
  try {
    return typeof JSON.parse(text) === 'object'
  } catch {
    return false
  }
}

/** The code of an error, or the first words of what has none. */
function errorIn(answer: WatchedAnswer, dialect: Dialect): string | null {
  const text = answer.text()
  const isError = (answer.status() ?? 200) >= 400 || text.includes(dialect.errorMark)
  return isError ? (/"code":"([a-z_]+)"/.exec(text)?.[1] ?? text.slice(0, 80)) : null
}
