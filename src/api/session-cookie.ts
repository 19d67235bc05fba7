/** The cookie of a session. `__Host-` makes browsers insist on TLS, this host and every path; plain HTTP has another name. */
import type { IncomingHttpHeaders } from 'node:http'

const SECURE_NAME = '__Host-zendo_session'
/** On a loopback address without TLS, where not all browsers take the other. */
const PLAIN_NAME = 'zendo_session'

function isSecure(publicUrl: string): boolean {
  return publicUrl.startsWith('https:')
}

/** The session token that a request carries; null for none, and for two, of which one was planted. */
export function readSessionCookie(headers: IncomingHttpHeaders, publicUrl: string): string | null {
  const wanted = isSecure(publicUrl) ? SECURE_NAME : PLAIN_NAME
  const found = (headers.cookie ?? '').split(';').flatMap((pair) => {
    const [name, value] = pair.trim().split('=', 2)
    return name === wanted && value ? [value] : []
  })
  const [token] = found
  return found.length === 1 && token !== undefined ? token : null
}

/** Lax, so that links from e-mails arrive signed in; every write asks for more than a cookie. */
export function sessionCookie(token: string, publicUrl: string, maxAgeMs: number): string {
  const secure = isSecure(publicUrl)
  return [
    `${secure ? SECURE_NAME : PLAIN_NAME}=${token}`,
    'Path=/',
    'HttpOnly',
    'SameSite=Lax',
    `Max-Age=${Math.floor(maxAgeMs / 1000)}`,
    ...(secure ? ['Secure'] : []),
  ].join('; ')
}

/** Makes the browser forget it. */
export function endedCookie(publicUrl: string): string {
  return sessionCookie('', publicUrl, 0)
}
