/** Every write with a member more than it takes, named like each column there is: refused, and nothing has changed. */
import { z } from 'zod'
import { serve } from '../../src/api/operation-route.ts'
import type { RouteDefinition } from '../../src/api/routes.ts'
import { operation } from '../../src/contract/operation.ts'
import { nothing } from '../../src/contract/shapes.ts'
import { questionFor, targetOf } from './calls.ts'
import { type AttackClass, type AttackContext, Findings, type Outcome } from './outcome.ts'
import { type JsonSchema, schemaOf } from './sample.ts'
import { differences } from './snapshot.ts'
import { type Question, type World, withWorld } from './world.ts'

/** Of each operation, in the smaller measure. */
const FEW = 6
const MORE_NAMES = [
  '__proto__',
  'constructor',
  'isOperator',
  'is_admin',
  'verified',
  'balance',
  'price',
  'price_multiplier',
]

export const massAssignment: AttackClass = {
  id: 'X03 mass assignment',
  title: 'no write takes a member that it does not name',
  run: (context) => withWorld({}, (world) => attack(world, world.routes, context)),
  control: (context) => {
    const planted = [looseRoute()]
    return withWorld({ planted }, (world) => attack(world, planted, context))
  },
}

async function attack(world: World, routes: readonly RouteDefinition[], context: AttackContext): Promise<Outcome> {
  const findings = new Findings()
  const names = [...new Set([...world.books.columns().values()].flat()), ...MORE_NAMES]
  let next = context.seed
  for (const { operation: shape, ...route } of routes) {
    if (!shape) continue
    const question = questionFor({ ...route, operation: shape }, targetOf(world.a, world.operator))
    const headers = shape.access === 'public' ? {} : world.operator.proof
    await tryQuery(world, { ...question, headers }, shape.id, findings)
    if (!shape.body || shape.method === 'GET') continue
    for (const place of placesOf(schemaOf(shape.body), question.body)) {
      const unknown = names.filter((name) => !place.known.includes(name))
      const count = context.isLong ? unknown.length : FEW
      const chosen = Array.from({ length: count }, () => unknown[next++ % unknown.length] ?? '')
      const told = `${shape.id}: ${place.at}`
      const before = world.books.look()
      for (const name of chosen) {
        await tryOne(world, { ...question, headers, body: place.withExtra(name) }, told + name, name, findings)
      }
      for (const change of differences(before, world.books.look())) findings.violations.push(`${told}: ${change}`)
      world.putBack()
      findings.count('places')
    }
    findings.count('operations')
  }
  findings.count('names', names.length)
  return findings.outcome()
}

async function tryOne(world: World, question: Question, told: string, name: string, findings: Findings): Promise<void> {
  const { status, text } = await world.ask(question)
  const isNamed = status === 400 && text.includes(name)
  findings.check(isNamed, () => `${told} is not refused by name: ${status} ${text.slice(0, 200)}`)
  findings.count('requests')
}

async function tryQuery(world: World, question: Question, told: string, findings: Findings): Promise<void> {
  const path = `${question.path}${question.path.includes('?') ? '&' : '?'}is_operator=1`
  const { status, text } = await world.ask({ ...question, path })
  // Providers of identities may add parameters of their own.
  findings.check(
    status === 400 || told === 'sign_in.finish',
    () => `${told} takes a parameter is_operator: ${status} ${text.slice(0, 200)}`,
  )
  if (status < 300) world.putBack()
  findings.count('requests')
}

interface Place {
  readonly at: string
  readonly known: readonly string[]
  withExtra(name: string): unknown
}

/** The body itself, and the objects right inside it. */
function placesOf(schema: JsonSchema, body: unknown): Place[] {
  const members = (body ?? {}) as Record<string, unknown>
  const inner = Object.entries(schema.properties ?? {}).flatMap(([name, member]) => {
    // What others define, as browsers do of passkeys, says itself that it may have more.
    const object = [member, ...(member.anyOf ?? [])].find((one) => one.properties && one.additionalProperties === false)
    const value = members[name]
    if (!object || typeof value !== 'object' || value === null || Array.isArray(value)) return []
    const withExtra = (extra: string): unknown => ({ ...members, [name]: put(value as Record<string, unknown>, extra) })
    return [{ at: `${name}.`, known: Object.keys(object.properties ?? {}), withExtra }]
  })
  const outer = { at: '', known: Object.keys(schema.properties ?? {}), withExtra: (name: string) => put(members, name) }
  return [outer, ...inner]
}

/** JSON has own members of every name, `__proto__` too. */
function put(members: Readonly<Record<string, unknown>>, name: string): Record<string, unknown> {
  const copy = Object.assign(Object.create(null) as Record<string, unknown>, members)
  Object.defineProperty(copy, name, { value: 1, enumerable: true })
  return copy
}

/** Takes what it does not know. */
function looseRoute(): RouteDefinition {
  const shape = operation({
    ...({ id: 'planted.loose', method: 'POST', access: 'person', rate: 'write', scope: null } as const),
    ...({ path: '/api/planted', summary: 'A planted fault.', body: z.looseObject({}), reply: nothing } as const),
  })
  return serve(shape, async () => undefined)
}
