/** Reads a request body whole, within a size, refusing what is not JSON by its label. */
import type { IncomingMessage } from 'node:http'
import { AppError } from '../base/errors.ts'

/** Agents name all kinds of it. */
const ANY_JSON = /json/i
/** What no form of another origin's page can send. */
export const PLAIN_JSON = /^application\/json\s*(;|$)/i

/**
 * @param type what the content type must be, where there is one
 * @throws AppError body_too_large, invalid_request (content type or encoding; body cut short by the client)
 */
export function readBody(request: IncomingMessage, maxBytes: number, type = ANY_JSON): Promise<Buffer> {
  checkLabels(request, type)
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > maxBytes) return Promise.reject(tooLarge(maxBytes))
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > maxBytes) {
        // The rest is read and dropped, so that the client gets to read the answer instead of a reset.
        chunks.length = 0
        reject(tooLarge(maxBytes))
        return
      }
      chunks.push(chunk)
    })
    request.on('end', () => {
      const [only] = chunks
      resolve(chunks.length === 1 && only ? only : Buffer.concat(chunks, size))
    })
    request.on('error', (cause) =>
      reject(new AppError('invalid_request', 'The request body was cut short.', { cause })),
    )
    request.on('close', () => {
      if (!request.complete) reject(new AppError('invalid_request', 'The request body was cut short.'))
    })
  })
}

function checkLabels({ headers }: IncomingMessage, type: RegExp): void {
  const sent = headers['content-type']
  if (sent !== undefined && !type.test(sent)) throw notJson()
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    throw new AppError('invalid_request', `A request body with content-encoding cannot be read; send it as it is.`)
  }
}

export function notJson(): AppError {
  return new AppError(
    'invalid_request',
    'The content-type must be application/json. Send the header "content-type: application/json".',
  )
}

function tooLarge(maxBytes: number): AppError {
  const megabytes = (maxBytes / (1024 * 1024)).toFixed(1).replace(/\.0$/, '')
  return new AppError(
    'body_too_large',
    `The request body is larger than the ${megabytes} MB taken here. Shorten the conversation, or send smaller images.`,
  )
}
