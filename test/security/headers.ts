/** What goes to providers beside the body, and what comes back: only headers on the list cross, either way. */
import { createServer as createHttpServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { jsonReply } from '../support/dialect.ts'
import { rawPost, sendRaw } from '../support/raw-http.ts'
import { type AttackClass, Findings, type Outcome } from './outcome.ts'
import { type World, withWorld } from './world.ts'

const CHAT = { model: 'paid-model', messages: [{ role: 'user', content: 'hi' }] }
const MESSAGES = { ...CHAT, max_tokens: 9 }

export const headers: AttackClass = {
  id: 'X11 headers',
  title: 'only headers on the list cross, either way',
  run: () => withWorld({}, (world) => attackHeaders(world, world.port)),
  control: () => withWorld({}, copyingProxy),
}

const CANARY = 'header-canary-51e0'

/** What may reach a provider, by our own list and what HTTP itself needs. */
const TO_PROVIDER: ReadonlySet<string> = new Set([
  ...['host', 'connection', 'content-type', 'content-length', 'accept-encoding', 'user-agent', 'accept'],
  ...['authorization', 'x-api-key', 'x-goog-api-key', 'anthropic-version', 'anthropic-beta', 'openai-beta'],
  ...['x-codex-beta-features', 'x-openai-internal-codex-responses-lite'],
])
const FROM_CLIENT: readonly string[] = [
  ...[
    'Cookie',
    'cookie',
    'X-Forwarded-For',
    'Forwarded',
    'X-Real-IP',
    'Via',
    'Referer',
    'Origin',
    'User-Agent',
    'X-Secret',
  ],
  ...[
    'OpenAI-Organization',
    'OpenAI-Project',
    'X-Stainless-OS',
    'X-Zendo-Session',
    'X-Zendo-Tags',
    'X-Zendo-CSRF',
    'TE',
  ],
  ...['Proxy-Authorization', 'X-Amz-Security-Token', 'X-Goog-User-Project', 'X-Request-Id', 'Traceparent', 'Baggage'],
  ...['X-Custom', 'x-CUSTOM', 'Accept-Language', 'Sec-Fetch-Site', 'If-None-Match', 'Range', 'X-Api-Version'],
]
const FROM_PROVIDER: readonly string[] = [
  ...[
    'Set-Cookie',
    'set-cookie',
    'OpenAI-Organization',
    'openai-processing-ms',
    'X-Request-Id',
    'CF-Ray',
    'Server',
    'Via',
  ],
  ...[
    'X-RateLimit-Remaining',
    'anthropic-organization-id',
    'X-Internal-Host',
    'Location',
    'Link',
    'Refresh',
    'Alt-Svc',
  ],
  ...[
    'Access-Control-Allow-Origin',
    'Access-Control-Allow-Credentials',
    'Content-Security-Policy',
    'Strict-Transport-Security',
  ],
  ...[
    'X-Zendo-Cost',
    'X-Zendo-Funding',
    'Clear-Site-Data',
    'WWW-Authenticate',
    'X-Powered-By',
    'X-Should-Retry',
    'ETag',
  ],
]

async function attackHeaders(world: World, port: number): Promise<Outcome> {
  const findings = new Findings()
  const key = `authorization: ${world.a.keys.inference.proof.authorization}`
  for (const [path, body] of [
    ['/zen/v1/chat/completions', CHAT],
    ['/zen/v1/messages', MESSAGES],
    ['/zen/v1/chat/completions', { ...CHAT, stream: true }],
  ] as const) {
    const tag = `headers-${path}-${JSON.stringify(body).length}`
    const returned = FROM_PROVIDER.map((name) => `${name}: ${CANARY}`)
    world.upstream.on(tag, (call) => call.write(jsonReply(wholeFor(path), '200 OK', returned)))
    const sent = [key, ...FROM_CLIENT.map((name) => `${name}: ${CANARY}`), `X-Folded: a\r\n X-Inner: ${CANARY}`]
    const before = world.upstream.calls.length
    for (const lines of [
      sent,
      sent.filter((line) => !line.startsWith('X-Folded')),
      [key, `X-Bare: a\rX-Inner: ${CANARY}`],
    ]) {
      const bytes = rawPost(path, ['content-type: application/json', ...lines], JSON.stringify({ ...body, tag }))
      const { text } = await sendRaw(port, [bytes], { replies: 1, limitMs: 3000 })
      findings.check(!text.includes(CANARY), () => `${path}: the client got ${lineOf(text)}`)
      findings.count('answers')
    }
    const calls = world.upstream.calls.slice(before)
    findings.check(calls.length > 0, () => `${path}: nothing reached the provider`)
    for (const call of calls) {
      for (const [name, value] of call.headers) {
        findings.check(TO_PROVIDER.has(name), () => `${path}: the provider got ${name}`)
        findings.check(!value.includes(CANARY), () => `${path}: the provider got ${name}: ${value}`)
        findings.check(!value.includes('sk-zendo-'), () => `${path}: the provider got a key of ours in ${name}`)
        findings.count('headers at the provider')
      }
    }
  }
  findings.count('names tried', FROM_CLIENT.length + FROM_PROVIDER.length)
  return findings.outcome()
}

function lineOf(text: string): string {
  return text.split('\r\n').find((line) => line.includes(CANARY)) ?? ''
}

function wholeFor(path: string): string {
  const answer = path.endsWith('messages')
    ? {
        id: 'msg',
        type: 'message',
        role: 'assistant',
        content: [{ type: 'text', text: 'fine' }],
        stop_reason: 'end_turn',
        usage: { input_tokens: 1, output_tokens: 1 },
      }
    : {
        id: 'c',
        object: 'chat.completion',
        choices: [{ index: 0, message: { role: 'assistant', content: 'fine' }, finish_reason: 'stop' }],
        usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
      }
  return JSON.stringify(answer)
}

/** Copies all headers and takes none away. */
async function copyingProxy(world: World): Promise<Outcome> {
  const { hostname, port } = new URL(world.upstream.origin)
  const server = createHttpServer((incoming, response) => {
    const options = { hostname, port, method: 'POST', path: '/v1/chat/completions', headers: incoming.headers }
    const outgoing = httpRequest(options, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    incoming.pipe(outgoing)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const outcome = await attackHeaders(world, (server.address() as AddressInfo).port)
  server.closeAllConnections()
  server.close()
  return outcome
}
