/**
 * Where connections may go to addresses that somebody other than the operator had a say in: never to what is private,
 * this machine, its network or its metadata service. Looked at when a connection is made, on the very address that it is
 * made to, so that a name which answers differently the second time gains nothing.
 *
 * Ranges: IANA IPv4 and IPv6 Special-Purpose Address Registries; RFC 6598 (shared space), RFC 6052 and 8215 (NAT64),
 * RFC 3056 (6to4), RFC 4380 (Teredo), RFC 3879 and 4193 (site and unique local).
 */
import { type LookupAddress, lookup as systemLookup } from 'node:dns'
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net'
import { buildConnector } from 'undici'

/** `allowPrivate`: the operator says that this address may lead anywhere. */
export interface EgressRule {
  readonly allowPrivate: boolean
}

/** Says where it would have led to nobody but the log. */
export class EgressError extends Error {
  override readonly name = 'EgressError'
  readonly code = 'ZENDO_EGRESS'
}

const NOT_PUBLIC_4 = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ...['192.0.2.0/24', '192.31.196.0/24', '192.52.193.0/24', '192.88.99.0/24', '192.168.0.0/16', '192.175.48.0/24'],
  ...['198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4'],
  // A metadata service outside of the ranges for such things: Alibaba's (100.100.100.200) is in shared space; Azure's host.
  '168.63.129.16/32',
]

/** What is public of IPv6 is in 2000::/3; of that, these are not, or lead on to an IPv4 address that cannot be seen. */
const NOT_PUBLIC_6 = ['2001::/23', '2001:db8::/32', '2002::/16', '2620:4f:8000::/48', '3fff::/20']
const PUBLIC_6 = ['2000::/3']

const notPublic4 = listOf(NOT_PUBLIC_4, 'ipv4')
const notPublic6 = listOf(NOT_PUBLIC_6, 'ipv6')
const public6 = listOf(PUBLIC_6, 'ipv6')

function listOf(ranges: readonly string[], family: 'ipv4' | 'ipv6'): BlockList {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', prefix] = range.split('/')
    list.addSubnet(address, Number(prefix), family)
  }
  return list
}

/** Whether an IP address in text form is one of the public internet's. What is no address is not. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !notPublic4.check(address, 'ipv4')
    case 6:
      // Scoped addresses are of one link. Mapped and translated IPv4 addresses are outside of 2000::/3.
      return !address.includes('%') && public6.check(address, 'ipv6') && !notPublic6.check(address, 'ipv6')
    default:
      return false
  }
}

/** A host of a URL as it may be looked up: without brackets, and without the final dot that hides `localhost.`. */
function hostOf(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '').replace(/\.+$/, '')
}

/**
 * What is wrong with a base URL by its text alone; null when nothing is. A name says nothing of where it leads: that is
 * looked at when a connection is made. `listed`: the operator wrote this very address, with its port.
 */
export function objectionToUrl(text: string, rule: EgressRule & { readonly listed: boolean }): string | null {
  if (!URL.canParse(text)) return 'it is not an address'
  const url = new URL(text)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'it must begin with https://'
  if (url.protocol === 'http:' && !rule.allowPrivate) return 'it must begin with https://'
  if (url.username !== '' || url.password !== '') return 'it must not hold a user name or password'
  if (url.search !== '' || url.hash !== '' || /[?#]/.test(text)) return 'it must not hold a query or fragment'
  if (!rule.listed && url.port !== '' && url.port !== '443' && url.port !== '80') return 'its port must be 443 or 80'
  const host = hostOf(url.hostname)
  if (isIP(host) !== 0) return rule.allowPrivate || isPublicAddress(host) ? null : 'it is not public'
  if (rule.allowPrivate) return null
  // No public name is without a dot; these never leave the machine or its network.
  const isLocal = !host.includes('.') || /\.(?:localhost|local|internal|lan|home\.arpa|intranet|corp)$/i.test(host)
  return isLocal ? 'it is not public' : null
}

/**
 * A look-up that only ever hands on public addresses. One that is not makes the whole answer suspect, and it is refused
 * whole. The connection is then made to what was looked at, and to nothing that is looked up again.
 */
export function guardedLookup(lookup: LookupFunction = systemLookup as LookupFunction): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error) {
        callback(error, [], 0)
        return
      }
      const addresses: LookupAddress[] = Array.isArray(found)
        ? found
        : [{ address: found, family: isIPv6(found) ? 6 : 4 }]
      const [first] = addresses
      if (!first || !addresses.every(({ address }) => isPublicAddress(address))) {
        callback(new EgressError('the address leads to where no connection may go'), [], 0)
        return
      }
      if (options.all) callback(null, addresses)
      else callback(null, first.address, first.family)
    })
  }
}

export interface GuardOptions {
  readonly timeoutMs: number
  /** Other than the system's in tests only. */
  readonly lookup?: LookupFunction
}

/** Makes connections for undici under a rule. Literal addresses, which nobody looks up, are looked at here. */
export function guardedConnector(rule: EgressRule, { timeoutMs, lookup }: GuardOptions): buildConnector.connector {
  const chosen = rule.allowPrivate ? lookup : guardedLookup(lookup)
  const connect = buildConnector({ timeout: timeoutMs, noDelay: true, ...(chosen && { lookup: chosen }) })
  if (rule.allowPrivate) return connect
  return (options, callback) => {
    const host = hostOf(options.hostname)
    if (isIP(host) !== 0 && !isPublicAddress(host)) {
      callback(new EgressError('the address leads to where no connection may go'), null)
      return
    }
    connect(options, (...[error, socket]) => {
      if (error !== null) {
        callback(error, null)
        return
      }
      // What the socket says of itself has the last word.
      if (socket.remoteAddress === undefined || !isPublicAddress(socket.remoteAddress)) {
        socket.destroy()
        callback(new EgressError('the address leads to where no connection may go'), null)
        return
      }
      callback(null, socket)
    })
  }
}
