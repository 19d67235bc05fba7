/**
 * A client of the API whose calls have the types of the operations themselves. It runs wherever there is `fetch`.
 *
 *     const client = createClient({ baseUrl: 'https://zendo.example', key: 'sk-zendo-…' })
 *     const { data } = await client['person.list']({ query: { limit: 10 } })
 */
import { allOperations } from './all-operations.ts'
import type { ClientInput, OperationShape, ParamNames } from './operation.ts'
import { type Problem, problem } from './problem.ts'

export interface ClientOptions {
  /** `https://zendo.example`; on a page of the instance itself the empty text. */
  readonly baseUrl: string
  /** An API key; without one the browser's session counts. */
  readonly key?: string
  /** What writes of a session must bring along: `csrf` of `session.read`. */
  readonly csrf?: () => string | undefined
  /** On each request. */
  readonly headers?: Readonly<Record<string, string>>
  /** Other than the platform's. */
  readonly fetch?: typeof fetch
}

export interface CallOptions {
  /** A name of the caller's choice: the write has one effect, however often it is sent under it. */
  readonly idempotencyKey?: string
  readonly signal?: AbortSignal
}

type AllShapes = (typeof allOperations)[number]
type ShapesById = { readonly [Shape in AllShapes as Shape['id']]: Shape }

/** An input of which nothing must be given may be left out. */
type Member<Name extends string, Value> = [Value] extends [undefined]
  ? unknown
  : Record<string, never> extends Value
    ? { readonly [Key in Name]?: Value }
    : { readonly [Key in Name]: Value }

/** `params`, `query` and `body`, each as far as the operation has it. */
export type CallInput<Shape extends OperationShape> = ([ParamNames<Shape['path']>] extends [never]
  ? unknown
  : { readonly params: ClientInput<Shape>['params'] }) &
  Member<'query', ClientInput<Shape>['query']> &
  Member<'body', ClientInput<Shape>['body']>

/** As it comes: JSON, with `null` where it was told once before. */
export type CallReply<Shape extends OperationShape> = Shape['reply']['_zod']['output']

type Arguments<Shape extends OperationShape> =
  Record<string, never> extends CallInput<Shape>
    ? [input?: CallInput<Shape>, options?: CallOptions]
    : [input: CallInput<Shape>, options?: CallOptions]

type Methods = {
  readonly [Id in keyof ShapesById]: (...args: Arguments<ShapesById[Id]>) => Promise<CallReply<ShapesById[Id]>>
}

export type Client = Methods & {
  /** @throws ApiProblem for what the server refuses; TypeError, as `fetch` does, where it cannot be reached */
  call<Shape extends OperationShape>(shape: Shape, ...args: Arguments<Shape>): Promise<CallReply<Shape>>
  /** The answer itself, for operations that answer with a stream. @throws as `call` */
  open<Shape extends OperationShape>(shape: Shape, ...args: Arguments<Shape>): Promise<Response>
}

/** What the server said no with. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem'
  readonly status: number
  /** Null where the answer was not Zendo's, but of something in between. */
  readonly problem: Problem | null
  readonly retryAfterSeconds: number | null

  constructor(status: number, found: Problem | null, retryAfterSeconds: number | null) {
    super(found?.detail ?? `The server answered ${status}, and not in the way of this API.`)
    this.status = status
    this.problem = found
    this.retryAfterSeconds = retryAfterSeconds
  }
}

interface AnyInput {
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, unknown>>
  readonly body?: unknown
}

export function createClient(options: ClientOptions): Client {
  const open = async (shape: OperationShape, input: AnyInput = {}, more: CallOptions = {}): Promise<Response> => {
    const send = options.fetch ?? fetch
    const response = await send(addressOf(options.baseUrl, shape, input), requestOf(options, shape, input, more))
    if (!response.ok) throw await problemOf(response)
    return response
  }
  const call = async (shape: OperationShape, input?: AnyInput, more?: CallOptions): Promise<unknown> => {
    const response = await open(shape, input, more)
    return response.status === 204 ? undefined : await response.json()
  }
  const methods = allOperations.map((shape) => [
    shape.id,
    (input?: AnyInput, more?: CallOptions) => call(shape, input, more),
  ])
  return { ...Object.fromEntries(methods), call, open } as Client
}

function addressOf(baseUrl: string, { path }: OperationShape, { params = {}, query = {} }: AnyInput): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name]
    // Dots alone would be read as steps up the path.
    if (value === undefined || value === '' || /^\.+$/.test(value)) throw new TypeError(`${name} is no id: ${value}`)
    // Both may stand in a path as they are, and the server takes nothing that is escaped.
    return encodeURIComponent(value).replaceAll('%3A', ':').replaceAll('%40', '@')
  })
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value))
  return `${baseUrl.replace(/\/+$/, '')}${filled}${search.size > 0 ? `?${search}` : ''}`
}

function requestOf(
  { key, csrf, headers }: ClientOptions,
  { method }: OperationShape,
  { body }: AnyInput,
  { idempotencyKey, signal }: CallOptions,
): RequestInit {
  const token = method === 'GET' ? undefined : csrf?.()
  return {
    method,
    // What the answer leads to must not get a key.
    redirect: 'error',
    headers: {
      accept: 'application/json',
      ...headers,
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...(token !== undefined && { 'x-zendo-csrf': token }),
      ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(signal && { signal }),
  }
}

async function problemOf(response: Response): Promise<ApiProblem> {
  const text = await response.text()
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  return new ApiProblem(response.status, parseProblem(text), Number.isFinite(seconds) ? seconds : null)
}

function parseProblem(text: string): Problem | null {
  try {
    const parsed = problem.safeParse(JSON.parse(text))
    return parsed.success ? parsed.data : null
  } catch {
    return null
  }
}
