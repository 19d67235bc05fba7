/** Writes answers: JSON, family-shaped errors, and the headers that stand on all of them. */
import type { ServerResponse } from 'node:http'
import { AppError } from '../base/errors.ts'
import type { Clock } from '../base/time.ts'
import type { Protocol } from '../base/words.ts'
import { clientProfile } from '../protocol/client-profile.ts'
import { encodeError } from '../protocol/errors.ts'

/** Scripts in browsers may call from anywhere: a key is never sent by itself, as a cookie would be. */
const CORS = [
  'access-control-allow-origin',
  '*',
  'access-control-expose-headers',
  'x-request-id, request-id, x-zendo-cost, x-zendo-funding, x-zendo-warnings, x-zendo-limit-name, x-zendo-limit-kind, x-zendo-limit-scope, x-zendo-limit-limit, x-zendo-limit-used, x-zendo-limit-remaining, x-zendo-limit-percent, x-zendo-limit-resets-at, retry-after, x-should-retry',
]

/** Headers of every answer, names and values in turn. */
export function baseHeaders(requestId: string): string[] {
  return ['x-request-id', requestId, ...CORS]
}

export function sendJson(response: ServerResponse, requestId: string, body: unknown, status = 200): void {
  const text = JSON.stringify(body)
  response.writeHead(status, [
    ...baseHeaders(requestId),
    'content-type',
    'application/json',
    'content-length',
    String(Buffer.byteLength(text)),
  ])
  response.end(text)
}

export function sendText(response: ServerResponse, requestId: string, text: string): void {
  response.writeHead(200, [...baseHeaders(requestId), 'content-type', 'text/plain; charset=utf-8'])
  response.end(text)
}

/** The answer to a browser's question whether it may ask. */
export function sendPreflight(response: ServerResponse, requestId: string, requested: string | undefined): void {
  const headers = /^[\w\s,-]{1,2000}$/.test(requested ?? '') ? (requested as string) : 'authorization, content-type'
  response.writeHead(204, [
    ...baseHeaders(requestId),
    'access-control-allow-methods',
    'GET, POST, OPTIONS',
    'access-control-allow-headers',
    headers,
    'access-control-max-age',
    '86400',
  ])
  response.end()
}

export interface ErrorReply {
  readonly response: ServerResponse
  readonly protocol: Protocol
  readonly requestId: string
  readonly clock: Clock
  /** Close the connection after it: the rest of the request was not read. */
  readonly close?: boolean
  readonly extraHeaders?: readonly string[]
}

/** Sends an error in the caller's shape; when an answer has already begun, cuts it off instead of mending it. */
export function sendError(reply: ErrorReply, error: AppError): void {
  const { response, protocol, requestId, clock } = reply
  if (response.headersSent) {
    response.destroy()
    return
  }
  const { status, headers, body } = encodeError(protocol, error, {
    requestId,
    nowMs: clock(),
    profile: clientProfile(response.req.headers),
  })
  const flat = Object.entries({ ...headers, 'x-request-id': requestId }).flat()
  response.writeHead(status, [
    ...flat,
    ...CORS,
    ...(reply.extraHeaders ?? []),
    ...(reply.close ? ['connection', 'close'] : []),
    'content-length',
    String(Buffer.byteLength(body)),
  ])
  response.end(body)
}

/** What is thrown on purpose is told; anything else is logged by the caller and told as nothing but an id. */
export function asAppError(error: unknown): AppError {
  if (error instanceof AppError) return error
  return new AppError('internal', 'Something went wrong in Zendo. The request id finds it in the log.', {
    cause: error,
  })
}
