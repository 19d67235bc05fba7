/**
 * A provider on loopback that answers as a script says, in OpenAI Chat and Anthropic Messages, and remembers what it
 * was asked. For what the simulated models do not do: reasoning, parallel calls, set token counts, a false end.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Protocol } from '../../src/base/words.ts'
import type { ScriptedAnswer } from './scripted-answer.ts'
import { chatBody, chatErrorEvent, chatEvents } from './scripted-chat.ts'
import { messagesBody, messagesErrorEvent, messagesEvents } from './scripted-messages.ts'

/** How much of an answer goes out: all; half, and then a reset, a clean end or an error event; half, and no more. */
export type ScriptedDelivery = 'whole' | 'cut' | 'false_end' | 'error_event' | 'stall'

export interface ScriptedTurn {
  readonly answer: ScriptedAnswer
  /** By default `whole`. A whole answer in one piece is sent only whole. */
  readonly delivery?: ScriptedDelivery
}

/** A request as the provider got it. */
export interface ScriptedRequest {
  readonly protocol: Protocol
  readonly model: string
  readonly stream: boolean
  readonly body: Readonly<Record<string, unknown>>
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

/** A request with what was answered to it. */
export interface ScriptedExchange extends Required<ScriptedTurn> {
  readonly request: ScriptedRequest
}

export interface ScriptedProvider {
  /** `http://127.0.0.1:PORT/v1` */
  readonly baseUrl: string
  /** Everything asked and answered so far, in order; token counts are not among it. */
  exchanges(): readonly ScriptedExchange[]
  /** Ends every open connection at once. */
  close(): Promise<void>
}

export const SCRIPTED_TOKEN_COUNT = 321

/** @param script may throw: that is a status 500 with the message, so that a test sees it. */
export async function startScriptedProvider(
  script: (request: ScriptedRequest) => ScriptedTurn,
): Promise<ScriptedProvider> {
  const exchanges: ScriptedExchange[] = []
  const answer = async (incoming: IncomingMessage, response: ServerResponse) => {
    const path = incoming.url?.split('?', 1)[0] ?? ''
    const body = await readJson(incoming)
    if (path.endsWith('/messages/count_tokens')) return sendJson(response, { input_tokens: SCRIPTED_TOKEN_COUNT })
    const protocol = path.endsWith('/messages') ? 'anthropic-messages' : 'openai-chat'
    const request = { ...fieldsOf(body), protocol, body, headers: incoming.headers } as const
    const turn = { delivery: 'whole', ...script(request) } as const
    exchanges.push({ ...turn, request })
    await deliver(response, request, turn)
  }
  const server = createServer((incoming, response) => {
    answer(incoming, response).catch((error: unknown) => {
      sendJson(response, { error: { message: String(error), type: 'script_error' } }, 500)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    exchanges: () => exchanges,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function readJson(incoming: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk)
  return JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>
}

function fieldsOf(body: Record<string, unknown>): { model: string; stream: boolean } {
  return { model: String(body.model), stream: body.stream === true }
}

function sendJson(response: ServerResponse, body: object, status = 200): void {
  if (response.headersSent) return void response.destroy()
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

async function deliver(
  response: ServerResponse,
  request: ScriptedRequest,
  { answer, delivery }: Required<ScriptedTurn>,
): Promise<void> {
  const isChat = request.protocol === 'openai-chat'
  if (!request.stream) return sendJson(response, (isChat ? chatBody : messagesBody)(answer, request.model))
  const events = isChat ? chatEvents(answer, request.model, asksUsage(request)) : messagesEvents(answer, request.model)
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
  if (delivery === 'whole') return void response.end(events.join(''))
  const half = events.slice(0, Math.ceil(events.length / 2)).join('')
  if (delivery === 'error_event') return void response.end(half + (isChat ? chatErrorEvent() : messagesErrorEvent()))
  if (delivery === 'false_end') return void response.end(half)
  // A reset takes back what the kernel has not sent yet, so it waits until the half is written.
  await new Promise<void>((resolve) => response.write(half, () => resolve()))
  if (delivery === 'cut') response.socket?.resetAndDestroy()
}

function asksUsage({ body }: ScriptedRequest): boolean {
  const options = body.stream_options as { include_usage?: unknown } | undefined
  return options?.include_usage === true
}
