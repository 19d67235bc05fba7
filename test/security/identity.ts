/**
 * Requests whose path, host or method can be read in two ways, sent as bytes, straight and through a common reverse
 * proxy. What is guarded stays so: authorisation belongs to the route that answers, however it was found.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer as createNetServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RawReply, sendRaw } from '../support/raw-http.ts'
import { until } from '../support/until.ts'
import { type AttackClass, type AttackContext, Findings, type Outcome } from './outcome.ts'
import { differences } from './snapshot.ts'
import { bytesOf, type Vector, vectorsOf } from './vectors.ts'
import { type World, withWorld } from './world.ts'

const CHAT = JSON.stringify({ model: 'paid-model', messages: [{ role: 'user', content: 'hi' }] })
const WAIT_MS = 3000
/** One in so many, in the smaller measure. */
const THIN = 4
const AT_ONCE = 8

export const identity: AttackClass = {
  id: 'X07 identity',
  title: 'no way of writing a request opens what another does not',
  run: (context) => withWorld({}, (world) => attackBothWays(world, context)),
  control: () => attackNaive(),
}

/** What is guarded, and how somebody without a right to it asks. */
interface Aim {
  readonly method: string
  readonly path: string
  readonly lines: readonly string[]
  readonly body: string | null
}

function aimsOf({ a, b }: World): Aim[] {
  const foreign = Object.entries(b.admin.proof).map(([name, value]) => `${name}: ${value}`)
  const keyOfOther = [`authorization: ${b.keys.manage.proof.authorization}`]
  const key = `/api/workspaces/${a.workspaceId}/keys/${a.keys.spare.id}`
  return [
    { method: 'GET', path: '/api/session', lines: [], body: null },
    { method: 'GET', path: '/zen/v1/usage', lines: [], body: null },
    { method: 'POST', path: '/zen/v1/chat/completions', lines: [], body: CHAT },
    { method: 'GET', path: '/api/people', lines: [], body: null },
    { method: 'GET', path: '/api/people', lines: foreign, body: null },
    { method: 'DELETE', path: key, lines: foreign, body: null },
    { method: 'GET', path: key, lines: keyOfOther, body: null },
    { method: 'GET', path: `/api/requests/${a.requestId}`, lines: keyOfOther, body: null },
  ]
}

async function attackBothWays(world: World, context: AttackContext): Promise<Outcome> {
  const findings = new Findings()
  const open = await openAnswers(world)
  const marks = world.a.marks.filter((mark) => mark !== world.a.workspaceId && mark !== world.a.keys.spare.id)
  const thin = <T>(list: readonly T[]): T[] =>
    list.filter((_, index) => context.isLong || index % THIN === context.seed % THIN)
  const isOpen = (reply: RawReply): boolean => open.has(reply.body)
  const direct = { port: world.port, isOpen, marks: marks.filter((mark) => mark !== world.a.requestId) }
  const before = world.books.look()
  for (const aim of aimsOf(world)) {
    await attackAim(direct, aim, thin(vectorsOf(aim.method, aim.path, aim.lines)), findings, 'vectors')
  }
  const skipped = await throughProxy(world, async (port) => {
    for (const aim of aimsOf(world)) {
      const vectors = thin(vectorsOf(aim.method, aim.path, aim.lines))
      await attackAim({ ...direct, port }, aim, vectors, findings, 'through nginx')
    }
  })
  for (const change of differences(before, world.books.look())) findings.violations.push(`changed: ${change}`)
  findings.check(
    world.upstream.calls.length === 0,
    () => `${world.upstream.calls.length} requests reached the provider`,
  )
  return findings.outcome(skipped)
}

interface Way {
  readonly port: number
  /** Whether this is what anybody gets of an open route. */
  isOpen(reply: RawReply): boolean
  readonly marks: readonly string[]
}

async function attackAim(
  way: Way,
  aim: Aim,
  vectors: readonly Vector[],
  findings: Findings,
  figure: string,
): Promise<void> {
  for (let at = 0; at < vectors.length; at += AT_ONCE) {
    await Promise.all(
      vectors.slice(at, at + AT_ONCE).map(async (vector) => {
        const { replies, text } = await sendRaw(way.port, [bytesOf(vector, aim.body)], { limitMs: WAIT_MS })
        const told = `${vector.name}${aim.lines.length > 0 ? ' as somebody else' : ''}`
        const leak = way.marks.find((mark) => text.includes(mark))
        findings.check(leak === undefined, () => `${told} shows ${leak}`)
        for (const reply of replies) {
          const isAnswered = reply.status < 400 && !isHarmless(way, vector, reply)
          findings.check(!isAnswered, () => `${told} was answered: ${reply.status} ${reply.body.slice(0, 120)}`)
          findings.check(
            reply.status < 500 || reply.status === 505 || reply.status === 501,
            () => `${told} failed: ${reply.body.slice(0, 200)}`,
          )
        }
        findings.count(figure)
      }),
    )
  }
}

/** What is open to anybody, the head of it, a redirect of a proxy, or the answer to a browser's question. */
function isHarmless(way: Way, { method, target }: Vector, reply: RawReply): boolean {
  if (way.isOpen(reply)) return true
  if (method === 'OPTIONS' && reply.status === 204) return target.startsWith('/zen') && reply.body === ''
  return method === 'HEAD' && reply.body === '' && target.startsWith('/healthz')
}

/** The answers that need no proof, as they are now. */
async function openAnswers(world: World): Promise<ReadonlySet<string>> {
  const paths = [
    '/',
    '/healthz',
    '/readyz',
    '/zen/v1/models',
    '/zen/v1/api.json',
    '/api/charge-policy',
    '/api/sign-in',
    '/api/openapi.json',
  ]
  const answers = await Promise.all(paths.map((path) => world.ask({ method: 'GET', path })))
  return new Set(answers.filter(({ status }) => status === 200).map(({ text }) => text))
}

const NGINX = ['/usr/sbin/nginx', '/usr/bin/nginx', '/usr/local/sbin/nginx'].find((path) => existsSync(path))

/** Runs the work against a reverse proxy before the server; where there is none, says so. */
async function throughProxy(world: World, work: (port: number) => Promise<void>): Promise<string[]> {
  if (NGINX === undefined) return ['through nginx: it is not installed']
  const directory = mkdtempSync(join(tmpdir(), 'zendo-nginx-'))
  chmodSync(directory, 0o755)
  const port = await freePort()
  writeFileSync(join(directory, 'nginx.conf'), nginxConf(directory, port, world.port))
  const proxy = spawn(
    NGINX,
    ['-p', directory, '-c', join(directory, 'nginx.conf'), '-e', join(directory, 'error.log')],
    { stdio: 'ignore' },
  )
  try {
    await until('nginx listens', () => isListening(port))
    await work(port)
    return []
  } finally {
    await ended(proxy)
    rmSync(directory, { recursive: true, force: true })
  }
}

function nginxConf(directory: string, port: number, upstream: number): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${directory}/${name};`,
  )
  return `daemon off; pid ${directory}/pid; worker_processes 1;${process.getuid?.() === 0 ? ' user root;' : ''}
events { worker_connections 256; }
http {
  access_log off; ${temporary.join(' ')}
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://127.0.0.1:${upstream};
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
  }
}
`
}

async function isListening(port: number): Promise<boolean> {
  try {
    await (await fetch(`http://127.0.0.1:${port}/healthz`)).text()
    return true
  } catch {
    return false
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await exited
}

async function freePort(): Promise<number> {
  const server = createNetServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Guards by the text of the URL, and finds the route by what the text means: the fault that this class is about. */
async function attackNaive(): Promise<Outcome> {
  const findings = new Findings()
  const server = createServer((request, response) => {
    const text = request.url ?? '/'
    if (text.startsWith('/api/') && request.headers.authorization === undefined)
      return void response.writeHead(401).end()
    const { pathname } = new URL(text, 'http://zendo.test')
    if (pathname === '/api/session') return void response.end('secret')
    response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const aim = { method: 'GET', path: '/api/session', lines: [], body: null }
  await attackAim(
    { port, isOpen: () => false, marks: [] },
    aim,
    vectorsOf(aim.method, aim.path, aim.lines),
    findings,
    'vectors',
  )
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  return findings.outcome()
}
