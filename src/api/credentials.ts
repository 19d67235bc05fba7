/** Finds the API key in the four places where clients put it. */
import type { IncomingHttpHeaders } from 'node:http'
import { isWellFormedKey } from '../domain/api-key.ts'

/**
 * The key a request carries, or null. Clients may send several, one of them a dummy their set-up demanded, so a text
 * that has the form of a key goes first.
 */
export function findKey(headers: IncomingHttpHeaders, query: string): string | null {
  const found = [
    authorizationKey(headers.authorization),
    single(headers['x-api-key']),
    single(headers['x-goog-api-key']),
    queryKey(query),
  ].filter((candidate) => candidate !== null)
  return found.find(isWellFormedKey) ?? found[0] ?? null
}

function authorizationKey(value: string | undefined): string | null {
  if (value === undefined) return null
  const [scheme, key] = value.trim().split(/\s+/)
  // A bare key is taken too; a scheme without one is no key.
  return single(key ?? (/^(?:bearer|basic)$/i.test(scheme ?? '') ? undefined : scheme))
}

function single(value: string | string[] | undefined): string | null {
  const text = (Array.isArray(value) ? value[0] : value)?.trim()
  return text ? text : null
}

function queryKey(query: string): string | null {
  return query === '' ? null : single(new URLSearchParams(query).get('key') ?? undefined)
}
