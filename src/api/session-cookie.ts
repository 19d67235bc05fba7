/** Cookies. `__Host-` makes browsers insist on TLS, this host and every path; plain HTTP has another name. */
import type { IncomingHttpHeaders } from 'node:http'

const SESSION = 'zendo_session'
/** What a round trip to a provider of identities leaves with the browser that set out. */
const ROUND_TRIP = 'zendo_round_trip'

function isSecure(publicUrl: string): boolean {
  return publicUrl.startsWith('https:')
}

/** On a loopback address without TLS not all browsers take the prefix. */
function fullName(name: string, publicUrl: string): string {
  return isSecure(publicUrl) ? `__Host-${name}` : name
}

/** What a cookie holds; null for none, and for two, of which one was planted. */
function readCookie(headers: IncomingHttpHeaders, name: string, publicUrl: string): string | null {
  const wanted = fullName(name, publicUrl)
  const found = (headers.cookie ?? '').split(';').flatMap((pair) => {
    const [name, value] = pair.trim().split('=', 2)
    return name === wanted && value ? [value] : []
  })
  const [content] = found
  return found.length === 1 && content !== undefined ? content : null
}

/** Lax, so that links from e-mails and providers arrive with it; every write asks for more than a cookie. */
function writeCookie(name: string, content: string, publicUrl: string, maxAgeMs: number): string {
  return [
    `${fullName(name, publicUrl)}=${content}`,
    'Path=/',
    'HttpOnly',
    'SameSite=Lax',
    `Max-Age=${Math.floor(maxAgeMs / 1000)}`,
    ...(isSecure(publicUrl) ? ['Secure'] : []),
  ].join('; ')
}

/** The session token that a request carries. */
export function readSessionCookie(headers: IncomingHttpHeaders, publicUrl: string): string | null {
  return readCookie(headers, SESSION, publicUrl)
}

export function sessionCookie(token: string, publicUrl: string, maxAgeMs: number): string {
  return writeCookie(SESSION, token, publicUrl, maxAgeMs)
}

/** Makes the browser forget it. */
export function endedCookie(publicUrl: string): string {
  return sessionCookie('', publicUrl, 0)
}

export function readRoundTripCookie(headers: IncomingHttpHeaders, publicUrl: string): string | null {
  return readCookie(headers, ROUND_TRIP, publicUrl)
}

export function roundTripCookie(token: string, publicUrl: string, maxAgeMs: number): string {
  return writeCookie(ROUND_TRIP, token, publicUrl, maxAgeMs)
}
