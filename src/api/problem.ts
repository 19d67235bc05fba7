/** Failures of the control plane as problem details (RFC 9457), with the codes of the one closed list. */
import type { ServerResponse } from 'node:http'
import { type AppError, errorClassOf } from '../base/errors.ts'

export interface ProblemReply {
  readonly response: ServerResponse
  readonly requestId: string
  /** Close the connection after it: the rest of the request was not read. */
  readonly close?: boolean
}

/** Stand on every answer of the control plane: nothing may be kept, framed, guessed at or run. */
export const CONTROL_HEADERS: readonly string[] = [
  ...['cache-control', 'no-store'],
  ...['x-content-type-options', 'nosniff'],
  ...['content-security-policy', "default-src 'none'; frame-ancestors 'none'"],
  ...['referrer-policy', 'no-referrer'],
  ...['cross-origin-resource-policy', 'same-origin'],
]

export function sendProblem({ response, requestId, close }: ProblemReply, error: AppError): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  const body = JSON.stringify(problemOf(error, requestId))
  response.writeHead(error.status, [
    ...['content-type', 'application/problem+json', 'content-length', String(Buffer.byteLength(body))],
    ...['x-request-id', requestId],
    ...(errorClassOf(error.code).retry === 'never' && error.retryAfterSeconds === undefined
      ? ['x-should-retry', 'false']
      : []),
    ...(error.retryAfterSeconds === undefined ? [] : ['retry-after', String(error.retryAfterSeconds)]),
    ...CONTROL_HEADERS,
    ...(close ? ['connection', 'close'] : []),
  ])
  response.end(body)
}

/** `error` repeats the code where the inference routes have it, for clients of both. */
function problemOf(error: AppError, requestId: string): object {
  const { code, message, status, param, metadata } = error
  return {
    type: `urn:zendo:error:${code}`,
    title: code.replaceAll('_', ' '),
    status,
    detail: message,
    code,
    request_id: requestId,
    ...(param !== undefined && { param }),
    ...(metadata && { metadata }),
    error: { type: errorClassOf(code).compatibleType, code, message, request_id: requestId },
  }
}
