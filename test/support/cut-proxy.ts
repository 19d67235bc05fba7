/** A TCP proxy before PostgreSQL that understands enough of its protocol to fail at the worst moment. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/**
 * `unsent`: the commit never reaches the server. `sent`: it does, and both sides are cut at once. `answered`: the
 * server has committed, and only its answer is lost.
 */
export type CutMoment = 'unsent' | 'sent' | 'answered'

export interface CutProxy {
  /** The server's URL with the proxy's address. */
  readonly url: string
  /** Cuts the connection at the next commit that comes; resolves once it was cut. */
  cutAtCommit(moment: CutMoment): Promise<void>
  /** Makes the next BEGIN one that the server refuses. */
  spoilBegin(): void
  /** New connections are closed at once. */
  refuse(isRefusing: boolean): void
  /** Every chunk is passed on so much later, each way. */
  delay(ms: number): void
  /** Cuts all connections now. */
  cut(): void
  /** How often a client has sent something after the server had the last word: round trips. */
  roundTrips(): number
  close(): Promise<void>
}

interface Link {
  readonly client: Socket
  readonly server: Socket
}

interface Cut {
  readonly moment: CutMoment
  readonly done: () => void
}

export async function startCutProxy(serverUrl: string): Promise<CutProxy> {
  const target = new URL(serverUrl)
  const links = new Set<Link>()
  let nextCut: Cut | null = null
  let isRefusing = false
  let spoilsBegin = false
  let delayMs = 0
  let roundTrips = 0

  const later = (step: () => void): void => {
    if (delayMs === 0) step()
    else setTimeout(step, delayMs)
  }

  const proxy = createServer({ noDelay: true }, (client) => {
    if (isRefusing) {
      client.destroy()
      return
    }
    const link: Link = { client, server: connect(Number(target.port), target.hostname).setNoDelay(true) }
    links.add(link)
    const readMessages = createMessageReader()
    let serverSpokeLast = true
    let swallowed: Cut | null = null
    client.on('data', (chunk: Buffer) => {
      if (serverSpokeLast) roundTrips++
      serverSpokeLast = false
      const begin = spoilsBegin ? chunk.indexOf('BEGIN ISOLATION') : -1
      if (begin !== -1) {
        chunk.write('BEGAN', begin)
        spoilsBegin = false
      }
      const isCommit = readMessages(chunk).includes('COMMIT')
      const cut = nextCut
      if (cut === null || !isCommit) return later(() => link.server.write(chunk))
      nextCut = null
      if (cut.moment !== 'unsent') link.server.write(chunk)
      if (cut.moment === 'answered') swallowed = cut
      else end(link, cut)
    })
    link.server.on('data', (chunk: Buffer) => {
      serverSpokeLast = true
      if (swallowed) return end(link, swallowed)
      later(() => client.write(chunk))
    })
    for (const socket of [client, link.server]) {
      socket.on('error', () => undefined)
      socket.once('close', () => {
        // Whoever gives up waiting for the answer has lost it as well.
        if (swallowed) end(link, swallowed)
        else cutLink(link)
      })
    }
  })

  function end(link: Link, cut: Cut): void {
    cutLink(link)
    cut.done()
  }
  function cutLink(link: Link): void {
    links.delete(link)
    link.client.destroy()
    link.server.destroy()
  }

  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const url = new URL(serverUrl)
  url.port = String((proxy.address() as AddressInfo).port)
  return {
    url: url.href,
    cutAtCommit: (moment) =>
      new Promise((done) => {
        nextCut = { moment, done }
      }),
    spoilBegin: () => {
      spoilsBegin = true
    },
    refuse: (is) => {
      isRefusing = is
    },
    delay: (ms) => {
      delayMs = ms
    },
    cut: () => links.forEach(cutLink),
    roundTrips: () => roundTrips,
    async close() {
      const closed = new Promise((resolve) => proxy.close(resolve))
      links.forEach(cutLink)
      await closed
    },
  }
}

/** Finds the texts of the simple queries in what a client sends. The first message has no type: the greeting. */
function createMessageReader(): (chunk: Buffer) => string[] {
  let rest: Buffer = Buffer.alloc(0)
  let isGreeted = false
  return (chunk) => {
    const queries: string[] = []
    rest = Buffer.concat([rest, chunk])
    for (;;) {
      const typeBytes = isGreeted ? 1 : 0
      if (rest.length < typeBytes + 4) return queries
      const length = typeBytes + rest.readUInt32BE(typeBytes)
      if (rest.length < length) return queries
      if (isGreeted && rest[0] === 0x51) queries.push(rest.toString('utf8', 5, length - 1))
      isGreeted = true
      rest = rest.subarray(length)
    }
  }
}
