/**
 * Looks over the route table before anything is served: a route that does not say who may ask, or says it in a way that
 * would not hold, keeps the server from starting.
 */
import { z } from 'zod'
import type { OperationShape } from '../contract/operation.ts'
import type { RouteDefinition } from './routes.ts'

const AUTHS: readonly string[] = ['none', 'optional_key', 'key', 'key_or_free_model', 'operation']
const ACCESSES: readonly string[] = ['public', 'person', 'member', 'admin', 'operator', 'key']
const RATES: readonly string[] = ['inference', 'none', 'read', 'write', 'sign_in', 'probe']

/** @throws Error that names every fault */
export function checkRoutes(routes: readonly RouteDefinition[]): void {
  const faults = [...routes.flatMap(faultsOf), ...twins(routes)]
  if (faults.length > 0) throw new Error(`the route table is not in order:\n${faults.join('\n')}`)
}

function faultsOf(route: RouteDefinition): string[] {
  const faults: string[] = []
  if (!AUTHS.includes(route.auth)) faults.push('says not what it takes to be let in')
  if (!ACCESSES.includes(route.access)) faults.push('says not who may ask')
  if (!RATES.includes(route.rate)) faults.push('says not how often it may be asked')
  if (typeof route.handle !== 'function') faults.push('has nobody to answer')
  if ((route.auth === 'operation') !== (route.operation !== null)) faults.push('is an operation by half')
  if (route.operation) faults.push(...operationFaults(route, route.operation))
  return faults.map((fault) => `${route.method} ${route.pattern} ${fault}`)
}

function operationFaults(route: RouteDefinition, shape: OperationShape): string[] {
  const { access, scope, rate, isSensitive } = shape
  const isWrite = shape.method !== 'GET'
  const inWorkspace = /\{workspace\}/.test(shape.path)
  const ofWorkspace = access === 'member' || access === 'admin'
  const asDeclared =
    route.method === shape.method &&
    route.pattern === shape.path &&
    route.access === access &&
    route.rate === (rate as string)
  const rules: readonly (readonly [broken: boolean, fault: string])[] = [
    [!asDeclared, 'is not served as its operation says'],
    [!shape.path.startsWith('/api/'), 'stands outside of /api/'],
    // Nobody would look whether the caller has a part in it.
    [inWorkspace && (access === 'public' || access === 'person'), 'names a workspace that anybody may name'],
    [ofWorkspace && !inWorkspace, 'is for members or admins, but of no workspace in its path'],
    [isSensitive === true && access === 'public', 'wants a recent proof of identity from nobody'],
    // A key has no recent proof to give: it would be the way around it.
    [isSensitive === true && scope !== null, 'is sensitive, and yet a key may do it'],
    [access === 'public' && scope !== null, 'is public, and yet asks for a scope'],
    [isWrite && scope === 'read', 'changes something by a key that may only read'],
    [isWrite && rate === 'read', 'changes something at the rate of readings'],
    [!isWrite && shape.body !== undefined, 'reads with a body'],
    [(shape.once ?? []).some((name) => !hasMember(shape.reply, name)), 'tells once what it does not tell'],
  ]
  return rules.flatMap(([broken, fault]) => (broken ? [fault] : []))
}

function hasMember(reply: z.ZodType, name: string): boolean {
  return reply instanceof z.ZodObject && Object.hasOwn(reply.shape, name)
}

/** Names in braces do not tell two patterns apart. */
function twins(routes: readonly RouteDefinition[]): string[] {
  const seen = new Map<string, string>()
  const ids = new Set<string>()
  const spelling = new Map<string, string>()
  return routes.flatMap(({ method, pattern, operation }) => {
    const faults: string[] = []
    const form = pattern.replace(/\{\w+\}/g, '{}')
    const name = `${method} ${form}`
    if (seen.has(name)) faults.push(`${method} ${pattern} stands twice, also as ${seen.get(name)}`)
    seen.set(name, pattern)
    const spelled = spelling.get(form) ?? pattern
    if (spelled !== pattern) faults.push(`${method} ${pattern} names what ${spelled} names otherwise`)
    spelling.set(form, spelled)
    if (operation && ids.has(operation.id)) faults.push(`the operation ${operation.id} is served twice`)
    if (operation) ids.add(operation.id)
    return faults
  })
}
