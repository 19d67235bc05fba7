/**
 * One workspace asks for what belongs to another: every operation, with foreign ids in every place. The answer must be
 * that of an id that does not exist, to the byte, and nothing foreign may change or be seen.
 */

import { z } from 'zod'
import { serve } from '../../src/api/operation-route.ts'
import type { RouteDefinition } from '../../src/api/routes.ts'
import { operation } from '../../src/contract/operation.ts'
import { bodyOf, idOf, isId, nameOf, ownTarget, pathOf, queryOf, questionFor, type Target, targetOf } from './calls.ts'
import { expectedOf } from './expected.ts'
import { type AttackClass, Findings, type Outcome } from './outcome.ts'
import { schemaOf } from './sample.ts'
import { differences } from './snapshot.ts'
import { type Answer, type Caller, proofOf, type Question, type World, withWorld } from './world.ts'

const ATTACKERS: readonly Caller[] = ['admin', 'manage key', 'member', 'read key', 'inference key']

export const tenants: AttackClass = {
  id: 'X01 tenants',
  title: 'what belongs to another workspace does not exist',
  run: () => withWorld({}, (world) => attack(world, world.routes)),
  control: () => {
    const planted = [routeWithoutOwnerCheck()]
    return withWorld({ planted }, (world) => attack(world, planted))
  },
}

async function attack(world: World, routes: readonly RouteDefinition[]): Promise<Outcome> {
  const findings = new Findings()
  for (const route of routes) {
    for (const caller of ATTACKERS.filter((name) => expectedOf(route, name) === 'yes')) {
      for (const trial of trialsOf(world, route, caller)) await tryOne(world, trial, caller, findings)
      if (route.method === 'GET') await lookForForeign(world, route, caller, findings)
    }
    findings.count('routes')
  }
  await tryCursors(world, routes, findings)
  return findings.outcome()
}

/** The same question twice: with a foreign id, and with one that nobody has. */
interface Trial {
  readonly told: string
  readonly foreign: Question
  readonly absent: Question
  /** The ids that differ. */
  readonly ids: readonly string[]
  readonly inPath: boolean
}

function trialsOf(world: World, route: RouteDefinition, caller: Caller): Trial[] {
  const own = ownTarget(world, caller)
  const foreign = targetOf(world.b, world.b.admin)
  const absent = absentLike(foreign)
  const { operation: shape } = route
  if (!shape) return reportTrials(route, foreign, absent)
  const told = (place: string): string => `${shape.id} by ${caller} with a foreign ${place}`
  const method = shape.method
  const trials: Trial[] = []
  const names = [...shape.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '').filter(isId)
  const withIds = (chosen: readonly string[], from: Target): Question => {
    const mixed = mix(own, from, chosen)
    const body = bodyOf(shape, own)
    return { method, path: pathOf(shape, mixed) + queryOf(shape, own), ...(body !== undefined && { body }) }
  }
  const sets = [...names.map((name) => [name]), ...(names.length > 1 ? [names] : [])]
  for (const set of sets) {
    const ids = set.flatMap((name) => [idOf(name, foreign, shape.path), idOf(name, absent, shape.path)])
    const question = { foreign: withIds(set, foreign), absent: withIds(set, absent) }
    trials.push({ told: told(set.join(' and ')), ...question, ids, inPath: true })
  }
  for (const place of ['body', 'query'] as const) {
    const schema = shape[place]
    if (!schema) continue
    for (const name of Object.keys(schemaOf(schema).properties ?? {}).filter(isId)) {
      const value = (from: Target): string => idOf(name, from, shape.path)
      const put = (from: Target): Question => putInto(place, shape, own, name, value(from))
      const question = { foreign: put(foreign), absent: put(absent) }
      trials.push({
        told: told(`${name} in the ${place}`),
        ...question,
        ids: [value(foreign), value(absent)],
        inPath: false,
      })
    }
  }
  return trials
}

function putInto(
  place: 'body' | 'query',
  shape: NonNullable<RouteDefinition['operation']>,
  own: Target,
  name: string,
  value: string,
): Question {
  const path = pathOf(shape, own) + queryOf(shape, own)
  const body = bodyOf(shape, own)
  if (place === 'body') return { method: shape.method, path, body: { ...(body as object), [name]: value } }
  const url = new URL(path, 'http://any')
  url.searchParams.set(name, value)
  return { method: shape.method, path: url.pathname + url.search, ...(body !== undefined && { body }) }
}

function reportTrials(route: RouteDefinition, foreign: Target, absent: Target): Trial[] {
  const told = (place: string): string => `${nameOf(route)} with a foreign ${place}`
  if (route.pattern === '/api/requests/*') {
    const at = ({ request }: Target): Question => ({ method: 'GET', path: `/api/requests/${request}` })
    const ids = [foreign.request, absent.request]
    return [{ told: told('request'), foreign: at(foreign), absent: at(absent), ids, inPath: true }]
  }
  if (!['/api/requests', '/api/usage'].includes(route.pattern)) return []
  return (['key', 'member'] as const).map((name) => {
    const at = (target: Target): Question => ({ method: 'GET', path: `${route.pattern}?${name}=${target[name]}` })
    return {
      told: told(name),
      foreign: at(foreign),
      absent: at(absent),
      ids: [foreign[name], absent[name]],
      inPath: false,
    }
  })
}

function mix(own: Target, other: Target, names: readonly string[]): Target {
  const taken = Object.keys(own).filter((id) =>
    names.some((name) => idOf(name, other, '') === other[id as keyof Target]),
  )
  return { ...own, ...Object.fromEntries(taken.map((id) => [id, other[id as keyof Target]])) }
}

/** Ids of the same form that were never given out. */
function absentLike(target: Target): Target {
  const other = (id: string): string => id.slice(0, -8) + [...id.slice(-8)].map((c) => (c === 'z' ? 'y' : 'z')).join('')
  return Object.fromEntries(Object.entries(target).map(([name, id]) => [name, other(id)])) as unknown as Target
}

async function tryOne(world: World, trial: Trial, caller: Caller, findings: Findings): Promise<void> {
  const { told, ids } = trial
  const before = world.books.look()
  const headers = proofOf(world, caller)
  const foreign = await world.ask({ ...trial.foreign, headers })
  const marks = world.b.marks.filter((mark) => !ids.includes(mark))
  const after = world.books.look()
  for (const change of differences(before, after, world.b.marks)) findings.violations.push(`${told}: ${change}`)
  world.putBack()
  const absent = await world.ask({ ...trial.absent, headers })
  world.putBack()
  const leak = marks.find((mark) => foreign.text.includes(mark))
  findings.check(leak === undefined, () => `${told}: the answer shows ${leak}`)
  const [one, other] = [plain(foreign, ids), plain(absent, ids)]
  findings.check(one === other, () => `${told}: told apart from one that does not exist: ${one} and ${other}`)
  const isRefused = foreign.status === 404 || (foreign.status === 403 && absent.status === 403)
  findings.check(!trial.inPath || isRefused, () => `${told}: answered with ${one}`)
  findings.count('trials')
}

/** An answer without what differs between any two. */
function plain({ status, text }: Answer, ids: readonly string[]): string {
  let same = text.replace(/req_[0-9a-z]{26}/g, 'req')
  for (const id of ids) same = same.replaceAll(id, 'id')
  return `${status} ${same.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'then')}`.slice(0, 400)
}

async function lookForForeign(world: World, route: RouteDefinition, caller: Caller, findings: Findings): Promise<void> {
  const question = questionFor(route, ownTarget(world, caller))
  const answer = await world.ask({ ...question, headers: proofOf(world, caller) })
  const leak = world.b.marks.find((mark) => answer.text.includes(mark))
  findings.check(leak === undefined, () => `${nameOf(route)} by ${caller}: shows ${leak} of another workspace`)
  findings.count('looks')
}

/** A place in somebody else's list opens nothing in one's own. */
async function tryCursors(world: World, routes: readonly RouteDefinition[], findings: Findings): Promise<void> {
  for (const route of routes) {
    const query = route.operation?.query
    const hasCursor = route.pattern === '/api/requests' || (query && 'cursor' in query.shape)
    if (route.method !== 'GET' || !hasCursor) continue
    const isReport = route.operation === null
    const theirs = questionFor(route, targetOf(world.b, world.b.admin)).path
    const asked = await world.ask({
      ...{ method: 'GET', path: withQuery(theirs, 'limit', '1') },
      headers: isReport ? world.b.keys.read.proof : world.b.admin.proof,
    })
    const cursor = cursorOf(asked)
    if (cursor === null) continue
    const own = withQuery(questionFor(route, ownTarget(world, 'admin')).path, 'cursor', cursor)
    const headers = isReport ? world.a.keys.read.proof : world.a.admin.proof
    const answer = await world.ask({ method: 'GET', path: own, headers })
    const leak = world.b.marks.find((mark) => answer.text.includes(mark))
    findings.check(leak === undefined, () => `${nameOf(route)} with a foreign cursor shows ${leak}`)
    findings.count('cursors')
  }
}

function withQuery(path: string, name: string, value: string): string {
  return `${path}${path.includes('?') ? '&' : '?'}${name}=${encodeURIComponent(value)}`
}

function cursorOf({ text }: Answer): string | null {
  try {
    const { next_cursor: cursor } = JSON.parse(text) as { next_cursor?: unknown }
    return typeof cursor === 'string' ? cursor : null
  } catch {
    return null
  }
}

/** Looks a key up by its id alone. */
function routeWithoutOwnerCheck(): RouteDefinition {
  const shape = operation({
    ...({ id: 'planted.key', method: 'GET', access: 'member', rate: 'read', scope: 'read' } as const),
    path: '/api/workspaces/{workspace}/planted/{key}',
    summary: 'A planted fault.',
    reply: z.strictObject({ name: z.string() }),
  })
  return serve(shape, async ({ control }, { params }) => {
    const row = await control.database.get<{ name: string }>('SELECT name FROM api_key WHERE id = ?', params.key)
    return { name: row?.name ?? '' }
  })
}
