/**
 * Random input for every operation, made from its own schema, valid and damaged: never a fault of the server, never
 * silence, answers of the declared shape, and what only reads changes nothing.
 */
import fc from 'fast-check'
import { z } from 'zod'
import { serve } from '../../src/api/operation-route.ts'
import type { RouteDefinition } from '../../src/api/routes.ts'
import { ERROR_CODES, type ErrorCode, errorClassOf } from '../../src/base/errors.ts'
import { type OperationShape, operation } from '../../src/contract/operation.ts'
import { nameOf, pathOf, questionFor, type Target, targetOf } from './calls.ts'
import { type AttackClass, type AttackContext, Findings, type Outcome } from './outcome.ts'
import { arbitraryOf, damagedOf, type JsonSchema, schemaOf } from './sample.ts'
import { differences } from './snapshot.ts'
import { type Answer, CALLERS, codeOf, proofOf, type Question, type World, withWorld } from './world.ts'

const REQUESTS = 2_000
const LONG_REQUESTS = 20_000
/** The whole database is looked at after so many reads. */
const LOOK_EVERY = 10

export const fuzz: AttackClass = {
  id: 'X26 fuzz',
  title: 'whatever is sent, the answer is a declared one',
  run: (context) =>
    withWorld({}, (world) => attack(world, world.routes, context, context.isLong ? LONG_REQUESTS : REQUESTS)),
  control: (context) => {
    const planted = [frailRoute(), wrongRoute()]
    return withWorld({ planted }, (world) => attack(world, planted, context, 100))
  },
}

async function attack(
  world: World,
  routes: readonly RouteDefinition[],
  { seed }: AttackContext,
  requests: number,
): Promise<Outcome> {
  const findings = new Findings()
  const each = Math.ceil(requests / routes.length)
  for (const [index, route] of routes.entries()) {
    const questions = fc.sample(questionsOf(world, route), { numRuns: each, seed: seed + index })
    await askAll(world, route, questions, findings)
    findings.count('routes')
  }
  return findings.outcome()
}

async function askAll(
  world: World,
  route: RouteDefinition,
  questions: readonly Question[],
  findings: Findings,
): Promise<void> {
  let before = world.books.look()
  for (const [index, question] of questions.entries()) {
    const told = `${nameOf(route)} asked ${JSON.stringify({ ...question, headers: undefined }).slice(0, 300)}`
    const answer = await world.ask(question).catch((error: unknown) => String(error))
    if (typeof answer === 'string') {
      findings.violations.push(`${told}: ${answer}`)
      continue
    }
    const wrong = judge(route, answer)
    if (wrong) findings.violations.push(`${told}: ${wrong}`)
    findings.count('requests')
    findings.count(answer.status < 300 ? 'accepted' : 'refused')
    if (route.method !== 'GET') {
      if (answer.status < 300) world.putBack()
      continue
    }
    if (index % LOOK_EVERY !== 0) continue
    const after = world.books.look()
    for (const change of differences(before, after)) findings.violations.push(`${told}: a read changed ${change}`)
    before = after
  }
  world.putBack()
}

function judge(route: RouteDefinition, answer: Answer): string | null {
  const { status, text } = answer
  if (status >= 500) return `fails with ${status} ${text.slice(0, 300)}`
  if (status < 400) return status < 300 && route.operation ? wrongReply(route.operation, answer) : null
  const code = codeOf(answer)
  if (!ERROR_CODES.includes(code as ErrorCode)) return `refused without a known code: ${status} ${text.slice(0, 200)}`
  if (!route.operation || code === 'upstream_rejected') return null
  const right = errorClassOf(code as ErrorCode).status
  return status === right || status === 408 || status === 431 ? null : `${code} with status ${status}`
}

function wrongReply({ reply }: OperationShape, { status, text, headers }: Answer): string | null {
  if (!String(headers['content-type'] ?? 'application/json').startsWith('application/json')) return null
  const read = reply.safeParse(status === 204 ? undefined : JSON.parse(text))
  return read.success ? null : `its answer is not of the declared shape: ${z.prettifyError(read.error).slice(0, 200)}`
}

function questionsOf(world: World, route: RouteDefinition): fc.Arbitrary<Question> {
  const headers = fc.constantFrom(...CALLERS, 'operator' as const, 'admin' as const).map((name) => proofOf(world, name))
  const target = targetOf(world.a, world.operator)
  const { operation: shape } = route
  if (!shape) return otherQuestions(questionFor(route, target), headers)
  const body = shape.body ? bodies(schemaOf(shape.body)) : fc.constant(undefined)
  const query = shape.query ? queries(schemaOf(shape.query)) : fc.constantFrom('', '', '', '?a=1', '?%00', '?a&a')
  return fc.record({ headers, body, query, path: paths(shape, target) }).map(({ headers, body, query, path }) => ({
    ...{ method: shape.method, path: path + query, headers },
    ...(body !== undefined && { body }),
  }))
}

/** Bodies that belong to a protocol are fuzzed where that is tested; here it is the way to them. */
function otherQuestions(
  good: Question,
  headers: fc.Arbitrary<Readonly<Record<string, string>>>,
): fc.Arbitrary<Question> {
  const query = fc.oneof(fc.constant(''), oddQuery())
  const body =
    good.body === undefined
      ? fc.constant(undefined)
      : fc.oneof({ weight: 3, arbitrary: fc.constant(good.body) }, { weight: 1, arbitrary: fc.jsonValue() })
  return fc.record({ headers, query, body }).map(({ headers, query, body }) => ({
    ...{ method: good.method, path: good.path + query, headers },
    ...(body !== undefined && { body }),
  }))
}

function bodies(schema: JsonSchema): fc.Arbitrary<unknown> {
  return fc.oneof(
    { weight: 5, arbitrary: arbitraryOf(schema) },
    { weight: 4, arbitrary: damagedOf(schema) },
    { weight: 1, arbitrary: fc.jsonValue() },
    { weight: 1, arbitrary: fc.constantFrom('', '{', '[]', 'null', '"x"', '{"a":1}{', '\ufeff{}', '{"a":1,"a":2}') },
  )
}

function queries(schema: JsonSchema): fc.Arbitrary<string> {
  const valid = arbitraryOf(schema).map((values) => {
    const pairs = Object.entries(values as object).map(([name, value]) => [name, String(value)])
    return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs)}`
  })
  return fc.oneof({ weight: 3, arbitrary: valid }, { weight: 1, arbitrary: oddQuery() })
}

function oddQuery(): fc.Arbitrary<string> {
  return fc
    .array(
      fc.tuple(
        fc.constantFrom('limit', 'cursor', 'since', 'by', 'key', 'x', 'all'),
        fc.string({ unit: 'grapheme', maxLength: 12 }),
      ),
      { maxLength: 3 },
    )
    .map((pairs) => `?${pairs.map(([name, value]) => `${name}=${encode(value)}`).join('&')}`)
}

function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed())
}

const ODD_SEGMENTS = [
  '.',
  '..',
  '%2e%2e',
  '%00',
  '%2f',
  '~',
  '@',
  ':',
  'null',
  'undefined',
  '__proto__',
  'constructor',
  '-1',
]

function paths(shape: OperationShape, target: Target): fc.Arbitrary<string> {
  const good = pathOf(shape, target)
  const names = [...shape.path.matchAll(/\{(\w+)\}/g)].length
  if (names === 0) return fc.constant(good)
  const segment = fc.oneof(
    fc.constantFrom(...ODD_SEGMENTS),
    fc.stringMatching(/^[A-Za-z0-9_.:@~-]{1,140}$/),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).map(encode),
  )
  const odd = fc.tuple(segment, fc.nat(names - 1)).map(([text, at]) => {
    let seen = 0
    return shape.path.replace(/\{(\w+)\}/g, (whole) => (seen++ === at ? text : pathOf({ path: whole }, target)))
  })
  return fc.oneof({ weight: 6, arbitrary: fc.constant(good) }, { weight: 1, arbitrary: odd })
}

/** Falls over what its schema takes. */
function frailRoute(): RouteDefinition {
  const shape = operation({
    ...({ id: 'planted.frail', method: 'POST', access: 'public', rate: 'write', scope: null } as const),
    ...({ path: '/api/planted-frail', summary: 'A planted fault.', reply: z.undefined() } as const),
    body: z.strictObject({ count: z.number() }),
  })
  return serve(shape, async (_, { body }) => {
    BigInt(body.count)
    return undefined
  })
}

/** Answers a read by writing. */
function wrongRoute(): RouteDefinition {
  const shape = operation({
    ...({ id: 'planted.wrong', method: 'GET', access: 'public', rate: 'read', scope: null } as const),
    ...({ path: '/api/planted-wrong', summary: 'A planted fault.', reply: z.undefined() } as const),
  })
  return serve(shape, async ({ control }) => {
    await control.database.run('UPDATE workspace SET name = name || ?', '!')
    return undefined
  })
}
