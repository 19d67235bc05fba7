/**
 * Serves an operation: who asks, whether they may, how often, and what they send, all by its definition. A handler is
 * reached by nobody else.
 */
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { AppError } from '../base/errors.ts'
import type { HandlerInput, OperationShape, Reply } from '../contract/operation.ts'
import type { ControlPlane } from '../control/control-plane.ts'
import { findPlace, type Principal } from '../control/principal.ts'
import { addressOf } from './address.ts'
import { type Caller, findCaller, lookAgain, repeaterId } from './caller.ts'
import { answerOnce, type SentReply } from './kept-reply.ts'
import { checkInput, readInput, readQuery } from './operation-input.ts'
import { CONTROL_HEADERS } from './problem.ts'
import type { RawInput, RouteDefinition, Visit } from './routes.ts'

/** What a handler works with beside its input. */
export interface OperationContext extends Omit<Caller, 'principal'> {
  /** Null for public operations. */
  readonly principal: Principal | null
  readonly control: ControlPlane
  /** Null on the command line. */
  readonly visit: Visit | null
  /** The client's address, for throttles. */
  readonly address: string
  /** A header of the answer, such as a cookie. */
  setHeader(name: string, value: string): void
}

const SHELL = { kind: 'shell', personId: null, isOperator: true } as const

export type Handler<Shape extends OperationShape> = (
  context: OperationContext,
  input: HandlerInput<Shape>,
) => Promise<Reply<Shape>>

/** An answer that is written as it is read. */
export interface StreamReply {
  readonly contentType: string
  /** What a browser saves it as. */
  readonly fileName: string
  readonly pieces: AsyncGenerator<string, void>
}

export type StreamHandler<Shape extends OperationShape> = (
  context: OperationContext,
  input: HandlerInput<Shape>,
) => Promise<StreamReply>

/** The route of an operation. */
export function serve<Shape extends OperationShape>(shape: Shape, handler: Handler<Shape>): RouteDefinition {
  const answer = handler as unknown as Handler<OperationShape>
  const perform: RouteDefinition['perform'] = (control, input) => performOperation(control, shape, answer, input)
  return { ...routeOf(shape, (visit) => run(visit, shape, answer)), perform }
}

/** The route of an operation that answers with a stream. */
export function serveStream<Shape extends OperationShape & { readonly streams: readonly string[] }>(
  shape: Shape,
  handler: StreamHandler<Shape>,
): RouteDefinition {
  const answer = handler as unknown as StreamHandler<OperationShape>
  return routeOf(shape, (visit) => runStream(visit, shape, answer))
}

function routeOf(shape: OperationShape, handle: RouteDefinition['handle']): RouteDefinition {
  return {
    ...{ method: shape.method, pattern: shape.path, auth: 'operation', access: shape.access, use: null },
    ...{ rate: shape.rate, operation: shape, protocol: null, handle },
  }
}

/** What is not there, or not the caller's to see: told alike. */
export function noSuch(what: string): AppError {
  return new AppError('not_found', `There is no such ${what}.`)
}

interface Prepared {
  readonly context: OperationContext
  readonly input: HandlerInput<OperationShape>
  /** Names and values in turn. */
  readonly headers: readonly string[]
}

async function prepare(visit: Visit, shape: OperationShape): Promise<Prepared> {
  // Before the input is read: what comes from somebody who may not ask is not worth the memory.
  const found = await findCaller(visit, shape)
  const input = { params: visit.params, query: readQuery(visit, shape), body: await readInput(visit, shape) }
  const caller = shape.body ? await lookAgain(visit, found) : found
  const headers: string[] = []
  const context: OperationContext = {
    ...{ ...caller, control: visit.control, visit },
    address: addressOf(visit.request, visit.options.trustedProxies),
    setHeader: (name, value) => headers.push(name, value),
  }
  return { context, headers, input: input as HandlerInput<OperationShape> }
}

/** For whoever may run commands on the machine: an operator without a session, whom nothing keeps waiting. */
async function performOperation(
  control: ControlPlane,
  shape: OperationShape,
  handler: Handler<OperationShape>,
  raw: RawInput,
): Promise<unknown> {
  const { clock, trailKey, trailKeys, randomBytes, database } = control
  const { workspace } = raw.params
  const place = workspace === undefined ? null : await findPlace(database, SHELL, workspace)
  if (place === undefined) throw noSuch('workspace')
  const input = {
    params: raw.params,
    query: checkInput(shape.query, raw.query),
    body: checkInput(shape.body, raw.body),
  }
  const context: OperationContext = {
    ...{ principal: SHELL, place, control, visit: null, address: '' },
    acting: { actor: { kind: 'shell', id: null }, nowMs: clock(), requestId: null, trailKey, trailKeys, randomBytes },
    setHeader: () => undefined,
  }
  const reply = await handler(context, input as HandlerInput<OperationShape>)
  return reply === undefined ? undefined : shape.reply.parse(reply)
}

async function run(visit: Visit, shape: OperationShape, handler: Handler<OperationShape>): Promise<void> {
  const { context, input, headers } = await prepare(visit, shape)
  const work = async (): Promise<SentReply> => textOf(shape, await handler(context, input))
  const { principal } = context
  const reply =
    principal && principal.kind !== 'shell'
      ? await answerOnce(visit, { repeaterId: repeaterId(principal, shape), shape, input }, work)
      : await work()
  send(visit, reply, headers)
}

/** Only what the definition names leaves: a field that a handler adds by mistake does not. */
function textOf(shape: OperationShape, reply: unknown): SentReply {
  if (reply === undefined) return { status: shape.redirects ? 302 : 204, body: null, isReplayed: false }
  const status = shape.method === 'POST' ? 201 : 200
  return { status, body: JSON.stringify(shape.reply.parse(reply)), isReplayed: false }
}

function send({ response, id }: Visit, { status, body, isReplayed }: SentReply, headers: readonly string[]): void {
  response.writeHead(status, [
    ...['x-request-id', id, ...CONTROL_HEADERS, ...headers],
    ...(isReplayed ? ['idempotency-replayed', 'true'] : []),
    ...(body === null ? [] : ['content-type', 'application/json', 'content-length', String(Buffer.byteLength(body))]),
  ])
  response.end(body ?? undefined)
}

async function runStream(visit: Visit, shape: OperationShape, handler: StreamHandler<OperationShape>): Promise<void> {
  const { request, response, id } = visit
  const { context, input, headers } = await prepare(visit, shape)
  const { contentType, fileName, pieces } = await handler(context, input)
  try {
    // Read before the head is sent: what fails at once is still told by a status.
    const first = request.method === 'HEAD' ? null : await pieces.next()
    response.writeHead(200, [
      ...['x-request-id', id, ...CONTROL_HEADERS, ...headers],
      ...['content-type', contentType, 'content-disposition', `attachment; filename="${fileName}"`],
    ])
    if (first === null) response.end()
    else await pipeline(Readable.from(resume(first, pieces), { highWaterMark: 1 }), response)
  } catch (error) {
    // Anything else cuts the answer off, so that nobody takes a part of it for the whole.
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE')) throw error
  } finally {
    await pieces.return()
  }
}

async function* resume(
  first: IteratorResult<string, void>,
  rest: AsyncGenerator<string, void>,
): AsyncGenerator<string, void> {
  if (first.done) return
  yield first.value
  yield* rest
}
