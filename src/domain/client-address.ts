/** Which address a request counts for: the client's own, seen through trusted proxies only. Pure. */
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net'

/** Proxies whose `x-forwarded-for` is believed. @throws TypeError on what is neither an address nor a CIDR range. */
export function parseTrustedProxies(entries: readonly string[]): BlockList {
  const list = new BlockList()
  for (const entry of entries) {
    const [address = '', bits] = entry.split('/')
    const family = isIPv4(address) ? 'ipv4' : isIPv6(address) ? 'ipv6' : null
    if (!family) throw new TypeError(`not an address or range: ${entry}`)
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return list
}

/**
 * The client's address: the socket's peer, or, while that is a trusted proxy, the next one to the left in
 * `x-forwarded-for`. What an untrusted peer claims is ignored.
 */
export function clientAddress(peer: string, forwardedFor: string | undefined, trusted: BlockList): string {
  let address = unmapped(peer)
  const claims = forwardedFor?.split(',') ?? []
  while (claims.length > 0 && isTrusted(address, trusted)) {
    const claim = unmapped((claims.pop() ?? '').trim())
    if (isIP(claim) === 0) break
    address = claim
  }
  return address
}

function isTrusted(address: string, trusted: BlockList): boolean {
  return trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

function unmapped(address: string): string {
  const match = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  return match?.[1] ?? address
}

/** What shares one anonymous allowance: an IPv4 address, or an IPv6 /64, the smallest range a customer gets. */
export function addressGroup(address: string): string {
  if (!isIPv6(address)) return address
  return `${expandIPv6(address).slice(0, 4).join(':')}::/64`
}

function expandIPv6(address: string): string[] {
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::')
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'))
  const left = groups(head)
  if (tail === undefined) return left.map(normalGroup)
  const right = groups(tail)
  const missing = Math.max(0, 8 - left.length - right.length)
  return [...left, ...Array<string>(missing).fill('0'), ...right].map(normalGroup)
}

function normalGroup(group: string): string {
  return Number.parseInt(group, 16).toString(16)
}
