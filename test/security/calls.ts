/** How every route is asked: its path with ids that exist, and input that its own schema takes. */

import type { z } from 'zod'
import type { RouteDefinition } from '../../src/api/routes.ts'
import type { OperationShape } from '../../src/contract/operation.ts'
import { leastOf, type NamedValues, schemaOf } from './sample.ts'
import { OWN_PROVIDER, PASSWORD, PLAN, type Tenant, type TestPerson } from './tenant.ts'
import { type Caller, personOf, type Question, type World } from './world.ts'

/** The run must fail on it: somebody has added what nobody tells how to ask. */
export class UnknownRoute extends Error {}

/** `GET /api/session`, `POST P/messages`. */
export function nameOf({ method, pattern }: Pick<RouteDefinition, 'method' | 'pattern'>): string {
  return `${method} ${pattern}`
}

/** What a name in braces stands for, and whose it is. */
export interface Target {
  readonly workspace: string
  readonly member: string
  readonly key: string
  readonly invite: string
  readonly seat: string
  readonly cap: string
  readonly credential: string
  readonly grant: string
  readonly request: string
  readonly person: string
  readonly session: string
  readonly passkey: string
  readonly email: string
  readonly inviteToken: string
  readonly spareMember: string
}

/** Names in paths that mean the same in every workspace. */
const COMMON: Readonly<Record<string, string>> = {
  plan: PLAN,
  model: 'paid-model',
  setting: 'server.keepAliveSeconds',
  unit: 'month',
}

export function targetOf(tenant: Tenant, person: TestPerson): Target {
  return {
    workspace: tenant.workspaceId,
    member: tenant.memberId,
    key: tenant.keys.spare.id,
    invite: tenant.inviteId,
    seat: tenant.seatId,
    cap: tenant.capId,
    credential: tenant.credentialId,
    grant: tenant.grantId,
    request: tenant.requestId,
    person: tenant.member.id,
    session: person.otherSessionId,
    passkey: person.passkeyId,
    email: person.email,
    inviteToken: tenant.inviteToken,
    spareMember: tenant.spareMemberId,
  }
}

export const IDS: readonly (keyof Target)[] = [
  ...(['workspace', 'member', 'key', 'invite', 'seat', 'cap', 'credential', 'grant', 'request', 'person'] as const),
  ...(['session', 'passkey'] as const),
]

/** Other names of ids that operations use, in path and body. */
const SAME_AS: Readonly<Record<string, keyof Target>> = { lot: 'grant', admin: 'person', subject: 'member' }

export function isId(name: string): boolean {
  return IDS.includes(name as keyof Target) || Object.hasOwn(SAME_AS, name)
}

export function idOf(name: string, target: Target, path: string): string {
  const id = SAME_AS[name] ?? name
  if (IDS.includes(id as keyof Target)) return target[id as keyof Target]
  if (name === 'provider') return path.includes('/credentials') ? OWN_PROVIDER : 'no-such-provider'
  const common = COMMON[name]
  if (common === undefined) throw new UnknownRoute(`nobody knows what {${name}} stands for in ${path}`)
  return common
}

export function pathOf(shape: Pick<OperationShape, 'path'>, target: Target): string {
  return shape.path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(idOf(name, target, shape.path)))
}

/** Members of bodies and queries by name: what a random value would not be. */
function namedValues(target: Target): NamedValues {
  return {
    ...{ name: 'a new name', email: 'somebody.new@people.example', role: 'member', note: 'a note' },
    ...{ member: target.member, key: target.key, person: target.person, token: 'x'.repeat(43) },
    ...{ plan: PLAN, models: ['paid-model'], amount: '5', limit: '12.50', expires_at: '2090-01-01T00:00:00.000Z' },
    ...{
      password: PASSWORD,
      current: PASSWORD,
      new: `${PASSWORD} again`,
      time_zone: 'Europe/Berlin',
      tags: ['team=x'],
    },
    ...{ return_to: '/console/', mode: 'shared_only', subject: target.member, scope: 'member', curation: 'all_except' },
  }
}

/** Bodies that cannot be guessed from their schema. */
export type Recipe = (target: Target) => Readonly<Record<string, unknown>>
const RECIPES: Readonly<Record<string, Recipe>> = {
  'seat.assign': ({ spareMember }) => ({ member: spareMember, plan: PLAN }),
  'setting.update': () => ({ value: 20 }),
  'sign_in.password': ({ email }) => ({ email, password: PASSWORD }),
  'invite.preview': ({ inviteToken }) => ({ token: inviteToken }),
  'invite.accept_new': ({ inviteToken }) => ({
    ...{ token: inviteToken, name: 'somebody new', email: 'somebody.new@people.example', password: PASSWORD },
  }),
  'invite.accept': ({ inviteToken }) => ({ token: inviteToken }),
}

export function bodyOf(shape: OperationShape, target: Target, seed = 1): unknown {
  if (!shape.body) return undefined
  const recipe = RECIPES[shape.id]
  if (recipe) return recipe(target)
  const schema = schemaOf(shape.body)
  const named = namedValues(target)
  const known = Object.fromEntries(
    Object.entries(named).filter(([name]) => Object.hasOwn(schema.properties ?? {}, name) && fits(shape, name, named)),
  )
  return leastOf(schema, known, seed)
}

/** Only where the schema takes it: the same name may mean something else elsewhere. */
function fits(shape: OperationShape, name: string, named: NamedValues): boolean {
  const members = shape.body?.shape as Record<string, z.ZodType> | undefined
  return members?.[name]?.safeParse(named[name]).success === true
}

export function queryOf(shape: OperationShape, target: Target): string {
  if (!shape.query) return ''
  const schema = schemaOf(shape.query)
  const required = (schema.required ?? []).filter((name) => schema.properties?.[name]?.default === undefined)
  const values = leastOf({ ...schema, required }, {}, 1) as Record<string, unknown>
  for (const name of Object.keys(values)) if (isId(name)) values[name] = idOf(name, target, shape.path)
  const text = new URLSearchParams(Object.entries(values).map(([name, value]) => [name, String(value)])).toString()
  return text === '' ? '' : `?${text}`
}

const CHAT = { model: 'paid-model', messages: [{ role: 'user', content: 'hi' }] }
const GOOGLE = { contents: [{ role: 'user', parts: [{ text: 'hi' }] }] }
const RESPONSES = { model: 'paid-model', input: 'hi' }
const MESSAGES = { ...CHAT, max_tokens: 10 }

/** Routes that are no operations. */
const OTHERS: Readonly<Record<string, (target: Target) => { readonly path: string; readonly body?: unknown }>> = {
  'POST P/chat/completions': () => ({ path: '/zen/v1/chat/completions', body: CHAT }),
  'POST P/responses': () => ({ path: '/zen/v1/responses', body: RESPONSES }),
  'POST P/messages': () => ({ path: '/zen/v1/messages', body: MESSAGES }),
  'POST P/messages/count_tokens': () => ({ path: '/zen/v1/messages/count_tokens', body: MESSAGES }),
  'POST P/responses/input_tokens': () => ({ path: '/zen/v1/responses/input_tokens', body: RESPONSES }),
  'POST P/models/*': () => ({ path: '/zen/v1beta/models/paid-model:generateContent', body: GOOGLE }),
  'GET P/responses': () => ({ path: '/zen/v1/responses' }),
  'GET P/models': () => ({ path: '/zen/v1/models' }),
  'GET P/models/*': () => ({ path: '/zen/v1/models/paid-model' }),
  'GET P/usage': () => ({ path: '/zen/v1/usage' }),
  'GET P/api.json': () => ({ path: '/zen/v1/api.json' }),
  'GET /api/requests': () => ({ path: '/api/requests' }),
  'GET /api/requests/*': ({ request }) => ({ path: `/api/requests/${request}` }),
  'GET /api/usage': () => ({ path: '/api/usage' }),
  'GET /api/export': () => ({ path: '/api/export' }),
  'GET /api/charge-policy': () => ({ path: '/api/charge-policy' }),
  'GET /healthz': () => ({ path: '/healthz' }),
  'GET /readyz': () => ({ path: '/readyz' }),
  'GET /': () => ({ path: '/' }),
}

/** A good request for a route. @throws UnknownRoute */
export function questionFor(route: RouteDefinition, target: Target): Question {
  const { method, operation } = route
  if (operation) {
    const path = pathOf(operation, target) + queryOf(operation, target)
    const body = bodyOf(operation, target)
    return { method, path, ...(body !== undefined && { body }) }
  }
  const other = OTHERS[nameOf(route)]
  if (!other) throw new UnknownRoute(`nobody knows how to ask ${nameOf(route)}`)
  return { method, ...other(target) }
}

/** What a caller is to ask about in its own workspace: its own sessions, and what it may be expected to see. */
export function ownTarget(world: World, caller: Caller): Target {
  return targetOf(world.a, personOf(world, caller))
}
