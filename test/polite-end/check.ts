/** Shows a stream that was ended early to the libraries of its clients, and compares what they make of it. */
import type { Protocol } from '../../src/base/words.ts'
import type { Line, Question } from '../captures/translated/question.ts'
import { readByAiSdk } from '../captures/translated/read-ai-sdk.ts'
import { readChat } from '../captures/translated/read-chat.ts'
import { readGoogle } from '../captures/translated/read-google.ts'
import { readMessages } from '../captures/translated/read-messages.ts'
import { readResponses } from '../captures/translated/read-responses.ts'
import type { Seen } from '../captures/translated/seen.ts'
import { END, endAfter, endByItself, type Said, type SaidCall, saidAfter } from './ended.ts'
import type { KnownScript } from './scripts.ts'

const OFFICIAL: Readonly<Record<Protocol, (line: Line, question: Question) => Promise<Seen>>> = {
  'openai-chat': readChat,
  'openai-responses': readResponses,
  'anthropic-messages': readMessages,
  'google-generate': readGoogle,
}

/** A connection on which exactly these bytes come. */
function lineOf(bytes: Buffer): Line {
  const headers = { 'content-type': 'text/event-stream' }
  return {
    ...{ baseUrl: 'http://127.0.0.1:1', key: 'none', head: () => null, note: () => {} },
    fetch: async () => new Response(new Uint8Array(bytes), { headers }),
  }
}

export type Library = 'official' | 'ai-sdk'

async function show(script: KnownScript, to: Protocol, library: Library, bytes: Buffer): Promise<Seen> {
  const question = { model: END.model, stream: true, tools: script.tools, wantsJson: false }
  return library === 'official' ? OFFICIAL[to](lineOf(bytes), question) : readByAiSdk(to, lineOf(bytes), question)
}

interface Way {
  readonly from: Protocol
  readonly to: Protocol
  readonly library: Library
}

/** Whether a library shows a call; those that are not whole it may keep for itself. */
function isShown({ isWhole, isCustom }: SaidCall, { from, to, library }: Way): boolean {
  if (isWhole) return true
  // A part of Google's protocol is whole, unless Google itself gives it in pieces.
  if (to === 'google-generate') return from === to && library === 'official'
  return to !== 'openai-responses' || !isCustom || library === 'official'
}

/** Parts of a summary are set apart here and there. */
function inOneLine(text: string): string {
  return text.replaceAll('\n', '')
}

/** Why what a library showed is not what had been said; empty when it is. */
function differences(seen: Seen, said: Said, way: Way): string[] {
  const found: string[] = []
  const compare = (what: string, is: unknown, should: unknown): void => {
    if (JSON.stringify(is) !== JSON.stringify(should)) {
      found.push(`${what}: ${JSON.stringify(is)} instead of ${JSON.stringify(should)}`)
    }
  }
  compare('failure', seen.failure, null)
  // The library knows only one of the names that vendors of chat have for it.
  const isUnread = way.from === 'openai-chat' && way.to === way.from && seen.reasoning === ''
  if (!isUnread) compare('reasoning', inOneLine(seen.reasoning), inOneLine(said.reasoning))
  compare('text', seen.text + seen.refusal, said.text)
  compare('finish', seen.finish?.replace(' beside a refusal', ''), said.finish ?? 'length')
  const calls = said.calls.filter((call) => isShown(call, way)).map(({ name }) => name)
  // A piece of a call has no name, and what a vendor runs itself is no call of the client's.
  const shown = seen.calls.map(({ name }) => name).filter((name) => name !== '' && name !== 'web_search')
  compare('calls', shown, calls)
  return found
}

/** What is wrong when the stream is ended after so many events (by default: after each). */
export async function check(
  script: KnownScript,
  to: Protocol,
  library: Library,
  counts = Array.from({ length: script.events.length + 1 }, (_, count) => count),
): Promise<string[]> {
  const problems: string[] = []
  for (const count of counts) {
    const ended = endAfter(script, to, count)
    if (!ended) break
    const said = saidAfter(script, count)
    const found = differences(await show(script, to, library, ended.bytes), said, { from: script.from, to, library })
    const isTold = ended.bytes.includes('"zendo":{"code":"balance"')
    // Another answer may go on when the first one has ended.
    if (isTold !== (said.finish === null) && script.answers === 1) {
      found.push(`the reason is ${isTold ? '' : 'not '}told`)
    }
    if (ended.bytes.includes('"late"')) found.push('what came after the end was passed on')
    for (const problem of found) problems.push(`${script.name} after ${count}: ${problem}`)
  }
  return problems
}

/** Whether the library reads the stream at all when it ends by itself, in this protocol. */
export async function isReadable(script: KnownScript, to: Protocol, library: Library): Promise<boolean> {
  const bytes = endByItself(script, to)
  if (bytes === null) return true
  const { text, refusal, failure } = await show(script, to, library, bytes)
  return failure === null && text + refusal === saidAfter(script, script.events.length).text
}
