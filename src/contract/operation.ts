/**
 * One operation of the control plane as data: its address, who may ask, and the shapes of what goes in and out. The
 * server, the OpenAPI document, the typed client and the tests all read the same definition.
 */
import type { z } from 'zod'

/**
 * Who may ask.
 * - `public`: anybody; what proves who asks is in the body.
 * - `person`: anybody who is signed in, or a key.
 * - `member`, `admin`: of the workspace in the path. An operator counts as an admin of each.
 * - `operator`: whoever runs the instance.
 */
export type Access = 'public' | 'person' | 'member' | 'admin' | 'operator'

/** How often: `read` and `write` per caller, `sign_in` and `probe` (which reaches out to a provider) much less often. */
export type RateClass = 'read' | 'write' | 'sign_in' | 'probe'

export interface OperationShape {
  /** `key.create`: names it in the client, the OpenAPI document and the audit log. */
  readonly id: string
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** `/api/workspaces/{workspace}/keys/{key}` */
  readonly path: string
  readonly access: Access
  readonly rate: RateClass
  /** What an API key needs to ask in its owner's stead; null: only a person who is signed in may ask. */
  readonly scope: 'read' | 'manage' | null
  /** One line for the reference. */
  readonly summary: string
  readonly query?: z.ZodObject
  readonly body?: z.ZodObject
  /** `z.undefined()` where there is nothing to answer: 204. */
  readonly reply: z.ZodType
  /** The media types of an answer that is not one JSON value but a stream; `reply` is then `nothing`. */
  readonly streams?: readonly string[]
  /** Answers a browser with where to go next: 302 with the header `location`, which its handler sets. */
  readonly redirects?: true
  /** Members of the reply that are told once: a repetition by idempotency key gets null for them. */
  readonly once?: readonly string[]
  /** Asked of a person who proved its identity a short while ago: a stolen session alone does not do. */
  readonly isSensitive?: true
}

/** Keeps the literal types of a definition, from which those of handler and client follow. */
export function operation<const Shape extends OperationShape>(shape: Shape): Shape {
  return shape
}

/** The names between braces. */
export type ParamNames<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParamNames<Rest>
  : never

export type Params<Shape extends OperationShape> = Readonly<Record<ParamNames<Shape['path']>, string>>

type Output<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined
type Input<Schema> = Schema extends z.ZodType ? z.input<Schema> : undefined

/** What a handler gets: checked, with defaults filled in. */
export interface HandlerInput<Shape extends OperationShape> {
  readonly params: Params<Shape>
  readonly query: Output<Shape['query']>
  readonly body: Output<Shape['body']>
}

/** What a client sends. */
export interface ClientInput<Shape extends OperationShape> {
  readonly params: Params<Shape>
  readonly query: Input<Shape['query']>
  readonly body: Input<Shape['body']>
}

export type Reply<Shape extends OperationShape> = z.input<Shape['reply']>
