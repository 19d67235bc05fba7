/**
 * Texts that would be code somewhere, in every place where a text can stand: headers, credentials, cookies, paths,
 * parameters, every text of every body. No fault, no statement that is not the code's own, no row that was not asked for.
 */
import { z } from 'zod'
import { serve } from '../../src/api/operation-route.ts'
import type { RouteDefinition } from '../../src/api/routes.ts'
import { operation } from '../../src/contract/operation.ts'
import type { Database, Sql } from '../../src/store/database.ts'
import { nameOf, questionFor, targetOf } from './calls.ts'
import { type AttackClass, type AttackContext, Findings, type Outcome } from './outcome.ts'
import { codeOf, type Question, type World, withWorld } from './world.ts'

/** Stands in every payload, so that it is known again in a statement. */
const MARK = 'zqx7'

const PAYLOADS: readonly string[] = [
  `${MARK}' OR '1'='1`,
  `${MARK}'; DROP TABLE workspace; --`,
  `${MARK}" OR ""="`,
  `${MARK}') UNION SELECT hash FROM api_key --`,
  `${MARK}\\'; SELECT pg_sleep(5); --`,
  `${MARK}%' OR 1=1 #`,
  `${MARK}/**/OR/**/1=1`,
  `${MARK}; ATTACH DATABASE '/tmp/x' AS y`,
  `${MARK}' || (SELECT key FROM api_key) || '`,
  `${MARK}$(id)\`id\``,
  `${MARK}{{7*7}}\${7*7}<%= 7*7 %>`,
  `${MARK}<script>alert(1)</script>`,
  `${MARK}*)(uid=*))(|(uid=*`,
  `${MARK}' AND 1=CAST((SELECT version()) AS int) --`,
  `${MARK}?,?,?`,
  `${MARK}:name @name $1`,
]
const HEADERS: readonly string[] = [
  ...[
    'authorization',
    'x-api-key',
    'x-goog-api-key',
    'cookie',
    'x-zendo-csrf',
    'origin',
    'sec-fetch-site',
    'user-agent',
  ],
  ...['x-zendo-session', 'x-zendo-tags', 'idempotency-key', 'x-forwarded-for', 'x-request-id', 'referer', 'accept'],
  ...['anthropic-version', 'anthropic-beta', 'content-type', 'accept-language', 'x-zendo-strict', 'x-zendo-include'],
]
/** Of the payloads to each route, so that over all routes each has its turn; the smaller measure has one. */
const SOME = 3
const ONE = 1

export const injection: AttackClass = {
  id: 'X05 injection',
  title: 'no text that is sent becomes part of a statement',
  run: (context) => withWorld({}, (world) => attack(world, world.routes, context)),
  control: (context) => {
    const planted = [concatenatingRoute()]
    return withWorld({ planted }, (world) => attack(world, planted, context))
  },
}

async function attack(world: World, routes: readonly RouteDefinition[], context: AttackContext): Promise<Outcome> {
  const findings = new Findings()
  const statements = listen(world.control.database)
  const tables = [...world.books.columns().keys()].length
  const step = routes.length === 1 ? PAYLOADS.length : context.isLong ? SOME : ONE
  for (const [index, route] of routes.entries()) {
    for (let i = 0; i < step; i++) {
      const payload = PAYLOADS[(context.seed + index + i) % PAYLOADS.length] ?? ''
      for (const question of questionsWith(world, route, payload)) await tryOne(world, route, question, findings)
    }
  }
  await tryWildcards(world, findings)
  for (const text of statements) {
    findings.check(!text.includes(MARK), () => `a statement holds what was sent: ${text.slice(0, 300)}`)
  }
  findings.count('statements', statements.size)
  const left = world.books.all(
    "SELECT COUNT(*) AS count FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
  )
  findings.check(Number(left[0]?.count) === tables, () => `there are ${left[0]?.count} tables, not ${tables}`)
  return findings.outcome()
}

async function tryOne(world: World, route: RouteDefinition, question: Question, findings: Findings): Promise<void> {
  const told = `${nameOf(route)} asked ${JSON.stringify(question).slice(0, 300)}`
  const answer = await world.ask(question).catch((error: unknown) => String(error))
  findings.count('requests')
  if (typeof answer === 'string') {
    findings.violations.push(`${told}: ${answer}`)
    return
  }
  const { status, text } = answer
  const isFault = status >= 500 && codeOf(answer) !== 'upstream_unavailable'
  findings.check(!isFault, () => `${told}: ${status} ${text.slice(0, 200)}`)
  findings.check(
    !/syntax error|SQLITE_|near "|ERR_SQLITE/i.test(text),
    () => `${told}: shows the database: ${text.slice(0, 200)}`,
  )
  if (status < 300 && question.method !== 'GET') world.putBack()
}

function questionsWith(world: World, route: RouteDefinition, payload: string): Question[] {
  const good = questionFor(route, targetOf(world.a, world.operator))
  const isForKeys = route.operation === null
  const headers = isForKeys ? world.a.keys.ofMember.proof : world.operator.proof
  const plain = payload.replace(/[^\x20-\x7e]/g, '')
  const [path = '', query = ''] = good.path.split('?')
  const encoded = encodeURIComponent(payload)
  const questions: Question[] = HEADERS.map((name) => ({
    ...good,
    headers: { ...headers, [name]: headerWith(name, plain) },
  }))
  const segments = path.split('/')
  for (const [index, segment] of segments.entries()) {
    if (segment === '' || ['api', 'zen', 'v1', 'v1beta'].includes(segment)) continue
    questions.push({ ...good, headers, path: segments.with(index, encoded).join('/') })
  }
  const names = Object.keys(route.operation?.query?.shape ?? {})
  const reportNames = ['model', 'key', 'member', 'session', 'tag', 'provider', 'cursor', 'by', 'zone', 'format']
  for (const name of isForKeys && route.method === 'GET' ? reportNames : names) {
    questions.push({ ...good, headers, path: `${path}?${query === '' ? '' : `${query}&`}${name}=${encoded}` })
  }
  questions.push({ ...good, headers, path: `${path}?${encoded}=${encoded}` })
  for (const body of bodiesWith(good.body, payload)) questions.push({ ...good, headers, body })
  return questions
}

function headerWith(name: string, payload: string): string {
  if (name === 'authorization') return `Bearer ${payload}`
  return name === 'cookie' ? `__Host-zendo_session=${payload}` : payload
}

/** The body once per text in it, each time with the payload in its place. */
function bodiesWith(body: unknown, payload: string): unknown[] {
  if (typeof body === 'string') return [payload]
  if (typeof body !== 'object' || body === null) return []
  if (Array.isArray(body))
    return body.flatMap((item, index) => bodiesWith(item, payload).map((made) => body.with(index, made)))
  return Object.entries(body).flatMap(([name, value]) =>
    bodiesWith(value, payload).map((made) => ({ ...body, [name]: made })),
  )
}

/** `%` and `_` are letters like others. */
async function tryWildcards(world: World, findings: Findings): Promise<void> {
  for (const name of ['model', 'session', 'provider', 'key', 'member']) {
    for (const wild of ['%', '_%', 'paid_model', 'alpha-conversation%', '*', '?*', '[a-z]*']) {
      const path = `/api/requests?${name}=${encodeURIComponent(wild)}`
      const { text } = await world.ask({ method: 'GET', path, headers: world.a.keys.read.proof })
      findings.check(!text.includes(world.a.requestId), () => `${path} finds what it does not name`)
      findings.count('wildcards')
    }
  }
}

/** Every text of a statement that the database is given from now on. */
function listen(database: Database): ReadonlySet<string> {
  const heard = new Set<string>()
  const wrap = (sql: Sql): Sql => ({
    run: (text, ...values) => sql.run(note(text), ...values),
    get: (text, ...values) => sql.get(note(text), ...values),
    all: (text, ...values) => sql.all(note(text), ...values),
    runEach: (text, rows) => sql.runEach(note(text), rows),
    script: (text) => sql.script(note(text)),
  })
  function note(text: string): string {
    heard.add(text)
    return text
  }
  const { write, read } = database
  const plain = {
    run: database.run,
    get: database.get,
    all: database.all,
    runEach: database.runEach,
    script: database.script,
  }
  Object.assign(database, wrap(plain), {
    write: ((work, options) => write((sql) => work(wrap(sql)), options)) satisfies Database['write'],
    read: ((work) => read((sql) => work(wrap(sql)))) satisfies Database['read'],
  })
  return heard
}

/** Puts a parameter into a statement. */
function concatenatingRoute(): RouteDefinition {
  const shape = operation({
    ...({ id: 'planted.search', method: 'GET', access: 'person', rate: 'read', scope: null } as const),
    ...({ path: '/api/planted', summary: 'A planted fault.', reply: z.undefined() } as const),
    query: z.strictObject({ text: z.string().optional() }),
  })
  return serve(shape, async ({ control }, { query }) => {
    await control.database.all(`SELECT name FROM workspace WHERE name = '${query.text ?? ''}'`)
    return undefined
  })
}
