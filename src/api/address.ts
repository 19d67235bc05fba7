/** The address of a client, seen through the proxies that the operator trusts. */
import type { IncomingMessage } from 'node:http'
import type { BlockList } from 'node:net'
import { clientAddress } from '../domain/client-address.ts'

export function addressOf(request: IncomingMessage, trustedProxies: BlockList): string {
  const forwardedFor = request.headers['x-forwarded-for']
  const claims = Array.isArray(forwardedFor) ? forwardedFor.join(',') : forwardedFor
  return clientAddress(request.socket.remoteAddress ?? '', claims, trustedProxies)
}
