import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo, LookupFunction } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { Client } from 'undici'
import type { Timeouts } from '../domain/catalog.ts'
import { createUpstreamClient } from './client.ts'
import { guardedConnector, guardedLookup, isPublicAddress, objectionToUrl } from './egress.ts'
import { probeModels } from './probe.ts'

/** Hosts that lead to this machine, its network or its metadata service, however they are written. */
const FORBIDDEN_HOSTS = [
  ...['127.0.0.1', '127.1', '127.0.1', '127.255.255.254', '2130706433', '0x7f000001', '0x7f.1', '017700000001'],
  ...['0177.0.0.1', '0', '0.0.0.0', '0x0', '10.0.0.1', '10.255.255.255', '012.0.0.1', '100.64.0.1', '100.127.255.254'],
  ...['100.100.100.200', '169.254.169.254', '169.254.0.1', '0xa9fea9fe', '2852039166', '172.16.0.1', '172.31.255.254'],
  ...['192.168.0.1', '192.168.255.254', '192.0.0.1', '192.0.2.1', '192.88.99.1', '198.18.0.1', '198.19.255.254'],
  ...['198.51.100.1', '203.0.113.1', '224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255', '168.63.129.16'],
  ...['[::1]', '[::]', '[0:0:0:0:0:0:0:1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::ffff:169.254.169.254]'],
  ...['[::ffff:10.0.0.1]', '[::127.0.0.1]', '[::ffff:0:127.0.0.1]', '[64:ff9b::7f00:1]', '[64:ff9b::a9fe:a9fe]'],
  ...[
    '[64:ff9b:1::1]',
    '[fe80::1]',
    '[febf::1]',
    '[fec0::1]',
    '[fc00::1]',
    '[fd00:ec2::254]',
    '[fdff::1]',
    '[ff02::1]',
  ],
  ...['[ff05::2]', '[2002:7f00:1::]', '[2002:a9fe:a9fe::]', '[2001::1]', '[2001:0:7f00:1::1]', '[2001:db8::1]'],
  ...['[3fff::1]', '[100::1]', '[5f00::1]', '[4000::1]', '[::2]', '[2620:4f:8000::1]'],
  ...['localhost', 'localhost.', 'LOCALHOST', 'a.localhost', 'a.localhost.', 'printer.local', 'metadata'],
  ...['metadata.google.internal', 'db.lan', 'router.home.arpa', '①②⑦.⓪.⓪.①', '127。0。0。1'],
]
const PUBLIC_HOSTS = ['api.example.com', '1.1.1.1', '8.8.8.8', '[2606:4700:4700::1111]', '172.32.0.1', '100.128.0.1']

const TIMEOUTS: Timeouts = { connectMs: 2000, headersMs: 2000, idleMs: 2000, totalMs: 5000 }
const STRICT = { allowPrivate: false }

describe('egress', () => {
  let server: Server
  let port = 0
  let hits = 0
  before(async () => {
    server = createServer((request, response) => {
      if (request.url === '/v1/moved/models') response.writeHead(302, { location: `http://127.0.0.1:${port}/secret` })
      response.end('{}')
    })
    server.on('connection', () => hits++)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
  })
  after(() => {
    server.closeAllConnections()
    server.close()
  })

  it('lets no base URL pass that leads to what is not public, in any notation', () => {
    assert.ok(FORBIDDEN_HOSTS.length >= 60, String(FORBIDDEN_HOSTS.length))
    for (const host of FORBIDDEN_HOSTS) {
      assert.notEqual(objectionToUrl(`https://${host}/v1`, { ...STRICT, listed: true }), null, host)
    }
    for (const host of PUBLIC_HOSTS) {
      assert.equal(objectionToUrl(`https://${host}/v1`, { ...STRICT, listed: false }), null, host)
    }
  })

  it('lets no base URL pass with a user name, a query, another scheme, or a port that nobody listed', () => {
    const wrong = [
      ...['https://user@api.example.com', 'https://user:pass@api.example.com', 'https://@127.0.0.1', 'https://a?b'],
      ...['https://api.example.com/v1?x=1', 'https://api.example.com/v1#x', 'http://api.example.com/v1', 'ftp://a.b/c'],
      ...[
        'file:///etc/passwd',
        'gopher://a.b/',
        'javascript:1',
        'api.example.com',
        '',
        'https://',
        'https://api.example.com:22',
      ],
      ...['https://api.example.com:6379/v1', 'https://1.1.1.1:8080/'],
    ]
    for (const text of wrong) assert.notEqual(objectionToUrl(text, { ...STRICT, listed: false }), null, text)
    assert.equal(objectionToUrl('https://api.example.com:8443/v1', { ...STRICT, listed: true }), null)
    assert.equal(objectionToUrl('http://10.0.0.1:8080/v1', { allowPrivate: true, listed: true }), null)
  })

  it('makes no connection to a forbidden literal, whatever checked it before', async () => {
    hits = 0
    const client = createUpstreamClient()
    const literals = ['127.0.0.1', '127.1', '2130706433', '0x7f000001', '[::ffff:127.0.0.1]', '0.0.0.0', 'localhost']
    for (const host of literals) {
      const result = await send(client, `http://${host}:${port}/v1`, STRICT)
      assert.equal(result, 'connect', host)
      const probe = await probeModels({ endpoint: `http://${host}:${port}/v1`, headers: [], egress: STRICT })
      assert.equal(probe.status, null, host)
    }
    assert.equal(hits, 0)
    await client.close()
  })

  it('an entry that the operator marked may lead to a private address', async () => {
    hits = 0
    const client = createUpstreamClient()
    const rule = { allowPrivate: true }
    assert.equal(await send(client, `http://127.0.0.1:${port}/v1`, rule), 200)
    assert.equal(
      (await probeModels({ endpoint: `http://127.0.0.1:${port}/v1`, headers: [], egress: rule })).status,
      200,
    )
    assert.equal(hits, 2)
    await client.close()
  })

  it('a connection of a free call is never lent to a guarded one', async () => {
    const client = createUpstreamClient()
    assert.equal(await send(client, `http://127.0.0.1:${port}/v1`, null), 200)
    assert.equal(await send(client, `http://127.0.0.1:${port}/v1`, STRICT), 'connect')
    await client.close()
  })

  it('a name that answers differently the second time gains nothing: what was looked at is what is connected to', async () => {
    hits = 0
    const asked: string[] = []
    /** Public at first (in space that nobody was given), then this machine. */
    const flipping: LookupFunction = (hostname, _, callback) => {
      asked.push(hostname)
      const address = asked.length % 2 === 1 ? '2e00::1' : '127.0.0.1'
      callback(null, [{ address, family: address.includes(':') ? 6 : 4 }])
    }
    const client = new Client(`http://rebind.example:${port}`, {
      connect: guardedConnector(STRICT, { timeoutMs: 300, lookup: flipping }),
    })
    for (let i = 0; i < 4; i++) {
      await assert.rejects(client.request({ method: 'GET', path: '/' }), `attempt ${i}`)
    }
    assert.equal(hits, 0)
    assert.ok(asked.length >= 2)
    await client.destroy()
  })

  it('a name with one private address among public ones is refused whole, as is one with none', async () => {
    const answers = [
      [
        { address: '1.1.1.1', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ],
      [
        { address: '2606:4700:4700::1111', family: 6 },
        { address: '::ffff:127.0.0.1', family: 6 },
      ],
      [{ address: 'fe80::1%eth0', family: 6 }],
      [],
    ]
    for (const found of answers) {
      const lookup = guardedLookup(((_host, _options, callback) => callback(null, found)) as LookupFunction)
      for (const all of [true, false]) {
        const error = await new Promise((resolve) => lookup('x.example', { all }, (failure) => resolve(failure)))
        assert.ok(error instanceof Error, JSON.stringify(found))
      }
    }
  })

  it('a redirect is not followed', async () => {
    hits = 0
    const endpoint = `http://127.0.0.1:${port}/v1/moved`
    const { status } = await probeModels({ endpoint, headers: [], egress: { allowPrivate: true } })
    assert.equal(status, 302)
    assert.equal(hits, 1)
  })

  it('knows addresses, and takes nothing else for one', () => {
    for (const text of ['', 'x', '1.2.3', '1.2.3.4.5', '::g', '1.1.1.1%eth0', '2606:4700::1%lo', ' 1.1.1.1']) {
      assert.equal(isPublicAddress(text), false, text)
    }
  })
})

type UpstreamClient = ReturnType<typeof createUpstreamClient>

function send(client: UpstreamClient, endpoint: string, egress: { allowPrivate: boolean } | null): Promise<unknown> {
  return new Promise((resolve) => {
    let status = 0
    client.send(
      { endpoint, path: '/x', headers: [], body: [Buffer.from('{}')], timeouts: TIMEOUTS, maxConnections: 4, egress },
      {
        onHead: (code) => {
          status = code
        },
        onData: () => undefined,
        onEnd: () => resolve(status),
        onFailure: resolve,
      },
    )
  })
}
