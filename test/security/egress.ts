/** Where requests go: fields and headers that other gateways obey choose no destination, and redirects are not followed. */
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { jsonReply } from '../support/dialect.ts'
import type { ReceivedCall } from '../support/fault-upstream.ts'
import { type AttackClass, Findings, type Outcome } from './outcome.ts'
import { PROVIDER_KEY, type Question, type World, withWorld } from './world.ts'

interface Listener {
  readonly origin: string
  /** Connections so far, and what came over them. */
  seen(): { readonly connections: number; readonly text: string }
  close(): Promise<void>
}

/** A port where nobody should ever call; whoever does is answered, so that it says all it has to say. */
async function listen(): Promise<Listener> {
  let connections = 0
  let text = ''
  const server = createServer((socket) => {
    connections++
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: () => ({ connections, text }),
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

const CHAT = { model: 'paid-model', messages: [{ role: 'user', content: 'hi' }] }
const MESSAGES = { ...CHAT, max_tokens: 9 }

const BODY_NAMES: readonly string[] = [
  ...[
    'api_base',
    'base_url',
    'baseURL',
    'baseUrl',
    'api_url',
    'endpoint',
    'url',
    'host',
    'api_host',
    'custom_host',
    'target',
  ],
  ...[
    'proxy',
    'proxies',
    'azure_endpoint',
    'vertex_base',
    'aws_bedrock_runtime_endpoint',
    'webhook',
    'callback',
    'callback_url',
  ],
  ...[
    'upstream',
    'server',
    'destination',
    'deployment_url',
    'litellm_api_base',
    'openai_api_base',
    'anthropic_api_url',
  ],
]
const BODY_OBJECTS: readonly ((origin: string) => object)[] = [
  (origin) => ({ extra_headers: { host: origin, 'x-api-key': 'stolen' } }),
  (origin) => ({ headers: { Host: origin, Authorization: 'Bearer stolen' } }),
  (origin) => ({ litellm_params: { api_base: origin, api_key: 'stolen' } }),
  (origin) => ({ provider: { order: ['evil'], base_url: origin } }),
  (origin) => ({ config: { strategy: { mode: 'single' }, targets: [{ custom_host: origin, api_key: 'stolen' }] } }),
  (origin) => ({ metadata: { api_base: origin, model_info: { base_url: origin } } }),
  (origin) => ({ fallbacks: [{ model: 'x', api_base: origin }] }),
  (origin) => ({ models: ['evil/model'], route: 'fallback', transforms: [origin] }),
  (origin) => ({
    api_key: 'stolen',
    organization: 'stolen',
    api_version: origin,
    user_config: { model_list: [{ api_base: origin }] },
  }),
]
const HEADER_NAMES: readonly string[] = [
  ...[
    'x-portkey-custom-host',
    'x-portkey-provider',
    'x-portkey-config',
    'x-portkey-virtual-key',
    'helicone-target-url',
  ],
  ...[
    'helicone-openai-api-base',
    'x-litellm-api-base',
    'x-litellm-endpoint',
    'x-base-url',
    'x-api-base',
    'x-target-url',
  ],
  ...[
    'x-upstream',
    'x-forwarded-host',
    'x-original-host',
    'x-host',
    'x-http-destinationurl',
    'x-proxy-url',
    'x-azure-endpoint',
  ],
  ...[
    'cf-aig-custom-host',
    'x-bf-vk',
    'x-openai-base-url',
    'x-stainless-base-url',
    'proxy',
    'proxy-host',
    'forwarded',
    'location',
  ],
]

export const overrides: AttackClass = {
  id: 'X09 overrides',
  title: 'nothing in a request chooses where it goes',
  run: () => withWorld({}, attackDestination),
  control: obeyingGateway,
}

function attemptsOf(origin: string): Question[] {
  const target = new URL(origin)
  const question = (body: object, headers: Record<string, string> = {}, query = ''): Question => ({
    ...{ method: 'POST', path: `/zen/v1/chat/completions${query}`, headers, body: { ...CHAT, ...body } },
  })
  return [
    ...BODY_NAMES.map((name) => question({ [name]: origin })),
    ...BODY_OBJECTS.map((make) => question(make(origin))),
    ...HEADER_NAMES.flatMap((name) => [question({}, { [name]: origin }), question({}, { [name]: target.host })]),
    ...BODY_NAMES.map((name) => question({}, {}, `?${name}=${encodeURIComponent(origin)}`)),
    ...[`${origin}/paid-model`, `paid-model@${target.host}`, `../paid-model`, `paid-model?api_base=${origin}`].map(
      (model) => question({ model }),
    ),
    {
      method: 'POST',
      path: '/zen/v1/messages',
      headers: { 'x-api-base': origin },
      body: { ...MESSAGES, base_url: origin },
    },
    { method: 'POST', path: '/zen/v1/responses', body: { model: 'paid-model', input: 'hi', base_url: origin } },
    { method: 'POST', path: `/zen/v1beta/models/..%2f..%2f${target.host}:generateContent`, body: { contents: [] } },
    {
      method: 'POST',
      path: `/zen/v1beta/models/paid-model:generateContent?base_url=${origin}`,
      body: { contents: [{ parts: [{ text: 'hi' }] }] },
    },
  ]
}

async function attackDestination(world: World): Promise<Outcome> {
  const findings = new Findings()
  const canary = await listen()
  const host = new URL(world.upstream.origin).host
  const paths = ['/v1/chat/completions', '/v1/messages']
  for (const attempt of attemptsOf(canary.origin)) {
    const before = world.upstream.calls.length
    const answer = await world.ask({ ...attempt, headers: { ...attempt.headers, ...world.a.keys.inference.proof } })
    const told = JSON.stringify(attempt).slice(0, 200)
    findings.check(
      answer.status === 200 || answer.status < 500,
      () => `${told}: ${answer.status} ${answer.text.slice(0, 120)}`,
    )
    for (const call of world.upstream.calls.slice(before)) {
      const path = call.requestLine.split(' ')[1] ?? ''
      findings.check(paths.includes(path), () => `${told} reached ${call.requestLine}`)
      findings.check(call.headers.get('host') === host, () => `${told} was sent to ${call.headers.get('host')}`)
      findings.check(keyOf(call) === PROVIDER_KEY, () => `${told} was sent with another key`)
      findings.count('reached the provider')
    }
    findings.count('attempts')
  }
  const { connections } = canary.seen()
  findings.check(connections === 0, () => `${connections} connections to where a request pointed`)
  findings.check(world.upstream.calls.length > 0, () => 'nothing reached the provider at all')
  await canary.close()
  return findings.outcome()
}

function keyOf({ headers }: ReceivedCall): string {
  return headers.get('x-api-key') ?? (headers.get('authorization') ?? '').replace('Bearer ', '')
}

/** A gateway as others were: the body says where the request goes. */
async function obeyingGateway(): Promise<Outcome> {
  const findings = new Findings()
  const canary = await listen()
  const server = createHttpServer(async (incoming, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const { api_base: base } = JSON.parse(Buffer.concat(chunks).toString()) as { api_base?: string }
    if (base !== undefined) await (await fetch(base, { method: 'POST', body: '{}' })).text()
    response.end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  for (const { body } of attemptsOf(canary.origin)) {
    await (await fetch(`http://127.0.0.1:${port}`, { method: 'POST', body: JSON.stringify(body) })).text()
  }
  const { connections } = canary.seen()
  findings.check(connections === 0, () => `${connections} connections to where a request pointed`)
  server.closeAllConnections()
  server.close()
  await canary.close()
  return findings.outcome()
}

export const redirects: AttackClass = {
  id: 'X10 redirects',
  title: 'a redirect of a provider takes neither key nor prompt along',
  run: () => withWorld({}, attackRedirects),
  control: plainFetch,
}

const REDIRECTS = [300, 301, 302, 303, 304, 305, 307, 308]

async function attackRedirects(world: World): Promise<Outcome> {
  const findings = new Findings()
  const second = await listen()
  for (const status of REDIRECTS) {
    for (const [path, body] of [
      ['/zen/v1/chat/completions', CHAT],
      ['/zen/v1/messages', MESSAGES],
      ['/zen/v1/chat/completions', { ...CHAT, stream: true }],
      ['/zen/v1/messages/count_tokens', MESSAGES],
    ] as const) {
      const tag = `redirect-${status}-${path}`
      const head = [`location: ${second.origin}/v1/chat/completions`, `refresh: 0; url=${second.origin}`]
      world.upstream.on(tag, (call) => call.write(jsonReply('{}', `${status} Elsewhere`, head)))
      const answer = await world.ask({
        method: 'POST',
        path,
        headers: world.a.keys.inference.proof,
        body: { ...body, tag },
      })
      const told = `${status} on ${path}`
      const isEstimate = path.endsWith('count_tokens')
      findings.check(isEstimate || answer.status >= 400, () => `${told} was answered with ${answer.status}`)
      findings.check(
        !('location' in answer.headers) && !answer.text.includes(second.origin),
        () => `${told}: the client sees where to`,
      )
      findings.count('redirects')
    }
  }
  const { connections, text } = second.seen()
  findings.check(connections === 0, () => `${connections} connections to the second origin: ${text.slice(0, 200)}`)
  findings.count('bytes at the second origin', text.length)
  await second.close()
  return findings.outcome()
}

/** What an ordinary client does with a key that stands in a header of its own. */
async function plainFetch(): Promise<Outcome> {
  const findings = new Findings()
  const second = await listen()
  const first = createHttpServer((_, response) => void response.writeHead(307, { location: second.origin }).end())
  await new Promise<void>((resolve) => first.listen(0, '127.0.0.1', resolve))
  const { port } = first.address() as AddressInfo
  const options = { method: 'POST', headers: { 'x-api-key': PROVIDER_KEY }, body: JSON.stringify(CHAT) }
  await (await fetch(`http://127.0.0.1:${port}`, options)).text()
  findings.check(!second.seen().text.includes(PROVIDER_KEY), () => 'the key went to the second origin')
  first.closeAllConnections()
  first.close()
  await second.close()
  return findings.outcome()
}
