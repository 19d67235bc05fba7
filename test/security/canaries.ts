/**
 * Secrets and conversations marked with canaries go through a real gateway every way a request can end, also in a crash,
 * on both engines. Afterwards they are looked for wherever something could have been kept.
 */

import { randomBytes } from 'node:crypto'
import { type Dirent, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CHAT, CHUNKED_STREAM_HEAD, chunk, jsonReply, LAST_CHUNK, MESSAGES } from '../support/dialect.ts'
import { type FaultUpstream, startFaultUpstream } from '../support/fault-upstream.ts'
import { type Instance, startInstance } from '../support/instance.ts'
import { findPostgres, type PostgresCluster, startPostgres } from '../support/postgres.ts'
import { rawPost, sendRaw } from '../support/raw-http.ts'
import { until } from '../support/until.ts'
import { type AttackClass, Findings } from './outcome.ts'
import { startTraced, TRACER } from './traced.ts'

const REPOSITORY = join(import.meta.dirname, '..', '..')
const LARGEST_FILE = 64 * 1024 * 1024

/** What must be found nowhere, by what it is. */
type Canaries = Readonly<Record<'provider key' | 'prompt' | 'completion' | 'password' | 'session' | 'code', string>>

function makeCanaries(): Canaries {
  const make = (what: string): string => `canary-${what}-${randomBytes(9).toString('hex')}`
  return {
    ...{ 'provider key': make('provider'), prompt: make('prompt'), completion: make('completion') },
    // As long as real ones, so that they get as far as those.
    ...{
      password: make('password'),
      session: randomBytes(32).toString('base64url'),
      code: randomBytes(32).toString('base64url'),
    },
  }
}

export const canaries: AttackClass = {
  id: 'X13 X14 canaries',
  title: 'no secret and no conversation is kept anywhere',
  async run({ isLong }) {
    const findings = new Findings()
    const skipped: string[] = []
    await onSqlite({}, findings)
    if (findPostgres() === null) skipped.push('PostgreSQL: it is not installed')
    else await onPostgres(findings)
    if (isLong && TRACER === null) skipped.push('watching each write: strace is not installed')
    else if (isLong) await traced({}, findings)
    return findings.outcome(skipped)
  },
  async control({ isLong }) {
    const findings = new Findings()
    const leak = { NODE_OPTIONS: `--import=${join(import.meta.dirname, 'leak.ts')}` }
    await onSqlite(leak, findings)
    if (isLong && TRACER !== null) await traced(leak, findings)
    return findings.outcome()
  },
}

interface Env {
  readonly [name: string]: string
}

async function onSqlite(env: Env, findings: Findings): Promise<void> {
  await inGateway(env, findings, async () => [])
}

async function onPostgres(findings: Findings): Promise<void> {
  const cluster = await startPostgres()
  try {
    const url = await cluster.createDatabase()
    const env = { DATABASE_URL: url, ZENDO_MASTER_KEY: randomBytes(32).toString('base64url') }
    await inGateway(env, findings, async () => [cluster.directory], cluster)
  } finally {
    await cluster.close()
  }
}

async function inGateway(
  env: Env,
  findings: Findings,
  moreDirectories: () => Promise<string[]>,
  cluster?: PostgresCluster,
): Promise<void> {
  const marks = makeCanaries()
  const upstream = await startUpstream(marks)
  const beganAtMs = Date.now() - 1000
  const instance = await startInstance({
    config: configFor(upstream.origin),
    env: { ZENDO_TEST_PROVIDER_KEY: marks['provider key'], ZENDO_LOG_LEVEL: 'trace', ...env },
  })
  try {
    const answers = await traffic(instance.port(), instance.apiKey, marks, findings)
    await crash(instance, upstream, marks, 'SIGKILL')
    await instance.start()
    await crash(instance, upstream, marks, 'SIGABRT')
    await instance.start()
    answers.push(...(await traffic(instance.port(), instance.apiKey, marks, findings)))
    const places = [instance.dataDir, ...(await moreDirectories())]
    // What is only in the server's memory is written out by an orderly end.
    if (cluster) await cluster.stop()
    look(marks, instance, places, answers, beganAtMs, findings)
  } finally {
    await instance.remove()
    await upstream.close()
  }
}

export function configFor(origin: string): object {
  const baseUrls = { 'openai-chat': `${origin}/v1`, 'anthropic-messages': `${origin}/v1` }
  const route = { routes: [{ provider: 'fake', model: 'upstream-model' }] }
  return {
    limits: { address: { requestsPerMinute: 0 }, loop: { repeats: 0 } },
    providers: { fake: { baseUrls, apiKey: 'env:ZENDO_TEST_PROVIDER_KEY' } },
    models: { 'paid-model': { products: ['zen', 'go'], price: { input: 1, output: 10 }, ...route } },
  }
}

/** Ends of an answer, each by its tag; the provider repeats what it was sent, as some do in errors. */
export async function startUpstream(marks: Canaries): Promise<FaultUpstream> {
  const usage = { input: 10, output: 5 }
  const echo = (body: string, key: string): string =>
    JSON.stringify({ error: { message: `bad request with ${key}: ${body}`, type: 'invalid_request_error' } })
  const upstream = await startFaultUpstream((call) =>
    call.write(jsonReply(CHAT.whole(marks.completion, CHAT.usage(usage)))),
  )
  const dialectOf = (line: string): typeof CHAT => (line.includes('/messages') ? MESSAGES : CHAT)
  const credential = (headers: ReadonlyMap<string, string>): string =>
    `${headers.get('authorization')} ${headers.get('x-api-key')}`
  upstream.on('streamed', async (call) => {
    const dialect = dialectOf(call.requestLine)
    const text = dialect.opening(10) + dialect.delta(marks.completion) + dialect.closing(usage) + dialect.terminal
    await call.write(CHUNKED_STREAM_HEAD + chunk(text) + LAST_CHUNK)
  })
  upstream.on('whole', (call) => {
    const dialect = dialectOf(call.requestLine)
    return call.write(jsonReply(dialect.whole(marks.completion, dialect.usage(usage))))
  })
  upstream.on('refused', (call) => call.write(jsonReply(echo(call.body, credential(call.headers)), '400 Bad Request')))
  upstream.on('forbidden', (call) =>
    call.write(jsonReply(echo(call.body, credential(call.headers)), '401 Unauthorized')),
  )
  upstream.on('failed', (call) =>
    call.write(jsonReply(echo(call.body, credential(call.headers)), '500 Internal Server Error')),
  )
  upstream.on('garbage', (call) => call.write(jsonReply(`{"half": "${marks.completion}`)))
  upstream.on('cut', async (call) => {
    await call.write(
      CHUNKED_STREAM_HEAD +
        chunk(dialectOf(call.requestLine).opening(10) + dialectOf(call.requestLine).delta(marks.completion)),
    )
    call.reset()
  })
  upstream.on('open', (call) =>
    call.write(CHUNKED_STREAM_HEAD + chunk(CHAT.opening(10) + CHAT.delta(marks.completion))),
  )
  return upstream
}

const TAGS = ['streamed', 'whole', 'refused', 'forbidden', 'failed', 'garbage', 'cut']

function bodyOf(tag: string, prompt: string): string {
  const stream = tag === 'streamed' || tag === 'cut' || tag === 'open'
  return JSON.stringify({
    model: 'paid-model',
    stream,
    max_tokens: 20,
    tag,
    messages: [{ role: 'user', content: prompt }],
  })
}

/** Every way in and every end; returns all answers. */
export async function traffic(port: number, key: string, marks: Canaries, findings: Findings): Promise<string[]> {
  const answers: string[] = []
  const ask = async (path: string, head: readonly string[], body: string): Promise<void> => {
    const { text } = await sendRaw(port, [rawPost(path, ['content-type: application/json', ...head], body)], {
      replies: 1,
      limitMs: 5000,
    })
    answers.push(text)
    findings.count('requests')
  }
  const auth = `authorization: Bearer ${key}`
  for (const tag of TAGS) {
    for (const path of ['/zen/v1/chat/completions', '/zen/v1/messages', '/zen/go/v1/chat/completions'])
      await ask(path, [auth], bodyOf(tag, marks.prompt))
    // In another protocol than the provider's, so that it is taken apart and put together.
    const input = JSON.stringify({ model: 'paid-model', input: marks.prompt, stream: tag === 'streamed', tag })
    await ask('/zen/v1/responses', [auth], input)
  }
  await ask('/zen/v1/chat/completions', [auth], `{"model":"${marks.prompt}","messages":[]}`)
  await ask('/zen/v1/chat/completions', [auth], `{"broken ${marks.prompt}`)
  await ask('/zen/v1/messages/count_tokens', [auth], bodyOf('whole', marks.prompt))
  await ask('/zen/v1/chat/completions', [`authorization: Bearer ${marks.session}`], bodyOf('whole', marks.prompt))
  const signIn = { email: 'nobody@people.example', password: marks.password }
  await ask('/api/sign-in/password', [], JSON.stringify(signIn))
  await ask('/api/setup', [], JSON.stringify({ token: marks.code, ...signIn, name: 'nobody' }))
  await ask('/api/setup', [], JSON.stringify({ token: marks.code, ...signIn, name: 'nobody', extra: marks.password }))
  await ask('/api/sign-in/email/verify', [], JSON.stringify({ challenge: marks.code, code: marks.code }))
  await ask('/api/sign-in/reset/finish', [], JSON.stringify({ token: marks.code, password: marks.password }))
  await ask('/api/invites/preview', [], JSON.stringify({ token: marks.code }))
  await ask(
    '/api/session/prove',
    [`cookie: zendo_session=${marks.session}; __Host-zendo_session=${marks.session}`],
    JSON.stringify(signIn),
  )
  return answers
}

/** A process dies in the middle of an answer. */
async function crash(
  instance: Instance,
  upstream: FaultUpstream,
  marks: Canaries,
  signal: 'SIGKILL' | 'SIGABRT',
): Promise<void> {
  const before = upstream.callsOf('open').length
  const head = ['content-type: application/json', `authorization: Bearer ${instance.apiKey}`]
  const asking = sendRaw(instance.port(), [rawPost('/zen/v1/chat/completions', head, bodyOf('open', marks.prompt))])
  await until('the provider is answering', () => upstream.callsOf('open').length > before)
  process.kill(instance.pid(), signal)
  await instance.exited()
  await asking
}

function look(
  marks: Canaries,
  instance: Instance,
  places: readonly string[],
  answers: readonly string[],
  beganAtMs: number,
  findings: Findings,
): void {
  const kept = { ...marks, 'API key': instance.apiKey }
  const printed = instance.output().replaceAll(instance.apiKey, (key, at: number) => (at < 5000 ? '' : key))
  lookIn('what was printed', Buffer.from(printed), kept, findings)
  // Completions are what a client asks for; secrets are not, and least of all what was guessed at.
  const { completion: _, prompt: __, ...secrets } = kept
  for (const answer of answers) lookIn('an answer', Buffer.from(answer), secrets, findings)
  const recent = filesBelow(tmpdir(), 1).filter((path) => statOf(path) >= beganAtMs)
  const files = new Set([...places.flatMap((place) => filesBelow(place, 12)), ...recent])
  for (const path of files) lookIn(path, readOrNothing(path), kept, findings)
  const cores = readdirSync(REPOSITORY).filter((name) => /^core(?:\.\d+)?$/.test(name))
  findings.check(cores.length === 0, () => `a core dump was written: ${cores.join(', ')}`)
  findings.count('files', files.size)
  findings.count('answers', answers.length)
}

function lookIn(where: string, content: Buffer, marks: Readonly<Record<string, string>>, findings: Findings): void {
  for (const [what, mark] of Object.entries(marks)) {
    findings.check(!content.includes(mark), () => `the ${what} stands in ${where}`)
  }
}

function filesBelow(directory: string, depth: number): string[] {
  if (!existsSync(directory)) return []
  return entriesOf(directory).flatMap((entry) => {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) return depth > 1 ? filesBelow(path, depth - 1) : []
    return entry.isFile() ? [path] : []
  })
}

function entriesOf(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
  } catch {
    return []
  }
}

/** Others may remove their files meanwhile. */
function statOf(path: string): number {
  try {
    const { mtimeMs, size } = statSync(path)
    return size > LARGEST_FILE ? 0 : mtimeMs
  } catch {
    return 0
  }
}

function readOrNothing(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch {
    return Buffer.alloc(0)
  }
}

/** With every write of the process seen as it is made, whatever becomes of the file afterwards. */
async function traced(env: Env, findings: Findings): Promise<void> {
  const marks = makeCanaries()
  const upstream = await startUpstream(marks)
  const scratch = mkdtempSync(join(tmpdir(), 'zendo-traced-'))
  try {
    const gateway = await startTraced(scratch, configFor(upstream.origin), {
      ZENDO_TEST_PROVIDER_KEY: marks['provider key'],
      ...env,
    })
    await traffic(gateway.port, gateway.apiKey, marks, findings)
    const writes = await gateway.stop()
    const ofFiles = writes.filter(({ path }) => path.startsWith('/') && !path.startsWith('/dev/'))
    findings.check(ofFiles.length > 0, () => 'no write was seen at all')
    findings.count('writes to files', ofFiles.length)
    for (const [what, mark] of Object.entries({ ...marks, 'API key': gateway.apiKey })) {
      for (const { path } of ofFiles.filter(({ text }) => text.includes(mark)))
        findings.violations.push(`the ${what} was written to ${path}`)
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
    await upstream.close()
  }
}
