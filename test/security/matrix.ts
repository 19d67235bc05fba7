/** Every route asked by everybody: each gets what the route declares, and who is refused has changed nothing. */

import { serve } from '../../src/api/operation-route.ts'
import type { RouteDefinition } from '../../src/api/routes.ts'
import { errorClassOf } from '../../src/base/errors.ts'
import { operation } from '../../src/contract/operation.ts'
import { nothing } from '../../src/contract/shapes.ts'
import { nameOf, ownTarget, questionFor } from './calls.ts'
import { type Expected, expectedOf } from './expected.ts'
import { type AttackClass, Findings, type Outcome } from './outcome.ts'
import { differences } from './snapshot.ts'
import { type Answer, CALLERS, type Caller, codeOf, proofOf, type World, withWorld } from './world.ts'

/** Codes that say that the caller was not let in. */
const GATE: ReadonlySet<string | null> = new Set([
  ...['missing_key', 'invalid_key', 'sign_in_required', 'key_disabled', 'permission_denied', 'workspace_blocked'],
])

const NEEDS_TOKEN = 'takes what a mail or a log line has brought'
const NEEDS_AUTHENTICATOR = 'takes what an authenticator has signed'
const NEEDS_PROVIDER = 'needs a provider of identities'

/**
 * Operations that are not expected to succeed in the matrix, with the reason: what proves the caller is in the body
 * and was made up here, or somebody else would have to answer. Their own tests show them succeed.
 */
const NEVER_SUCCEED: Readonly<Record<string, string>> = {
  'GET P/responses': 'it refuses upgrades to WebSocket with 426',
  'setup.finish': NEEDS_TOKEN,
  'sign_in.code': NEEDS_TOKEN,
  'password.reset': NEEDS_TOKEN,
  'sign_in.passkey': NEEDS_AUTHENTICATOR,
  'session.prove_passkey': NEEDS_AUTHENTICATOR,
  'passkey.add': NEEDS_AUTHENTICATOR,
  'sign_in.begin': NEEDS_PROVIDER,
  'sign_in.finish': NEEDS_PROVIDER,
  'identity.link': NEEDS_PROVIDER,
  'identity.unlink': NEEDS_PROVIDER,
}

/** Rules beyond roles, which refuse what the role alone would let in. */
const FURTHER_RULES: Readonly<Record<string, readonly Caller[]>> = {}

export const matrix: AttackClass = {
  id: 'X02 matrix',
  title: 'every route answers every caller as it declares',
  run: () => withWorld({}, (world) => attack(world, world.routes)),
  control: () => {
    const planted = [routeWithoutRoleCheck()]
    return withWorld({ planted }, (world) => attack(world, planted))
  },
}

async function attack(world: World, routes: readonly RouteDefinition[]): Promise<Outcome> {
  const findings = new Findings()
  for (const route of routes) {
    let succeeded = false
    let last = ''
    for (const caller of CALLERS) {
      const answer = await askOne(world, route, caller, findings)
      if (answer && answer.status < 400) succeeded = true
      if (expectedOf(route, caller) === 'yes') last = answer?.text.slice(0, 300) ?? ''
    }
    const reason = NEVER_SUCCEED[route.operation?.id ?? nameOf(route)]
    findings.check(succeeded || reason !== undefined, () => `${nameOf(route)}: nobody ever succeeds: ${last}`)
    findings.count('routes')
  }
  const denials = world.books.all("SELECT actor_id FROM audit_log WHERE action = 'access.denied'")
  findings.check(denials.length > 0, () => 'no refusal of a known caller is on record')
  findings.check(
    denials.every(({ actor_id: actor }) => actor !== null),
    () => 'a refusal on record names nobody',
  )
  findings.count('refusals on record', denials.length)
  return findings.outcome()
}

async function askOne(
  world: World,
  route: RouteDefinition,
  caller: Caller,
  findings: Findings,
): Promise<Answer | null> {
  const told = `${nameOf(route)} by ${caller}`
  try {
    const question = questionFor(route, ownTarget(world, caller))
    const before = world.books.look()
    const answer = await world.ask({ ...question, headers: proofOf(world, caller) })
    const expected = expectedOf(route, caller)
    const found = judge(route, caller, expected, answer)
    if (found) findings.violations.push(`${told}: ${found}`)
    if (expected !== 'yes') {
      for (const change of differences(before, world.books.look())) findings.violations.push(`${told}: ${change}`)
      findings.count('refused')
    } else findings.count('let in')
    world.putBack()
    return answer
  } catch (error) {
    findings.violations.push(`${told}: ${error instanceof Error ? error.message : String(error)}`)
    return null
  }
}

function judge(route: RouteDefinition, caller: Caller, expected: Expected, answer: Answer): string | null {
  const code = codeOf(answer)
  const got = `${answer.status} ${code ?? ''}`
  if (answer.status >= 500) return `fails with ${got}: ${answer.text.slice(0, 200)}`
  if (expected === 'yes') {
    if (FURTHER_RULES[route.operation?.id ?? '']?.includes(caller)) return null
    if (GATE.has(code)) return `should be let in, got ${got}: ${answer.text.slice(0, 200)}`
    return null
  }
  if (code === expected && answer.status === errorClassOf(expected).status) return null
  return `should be refused as ${expected}, got ${got}: ${answer.text.slice(0, 200)}`
}

/** Declares that an admin is asked for, and serves whoever is signed in. */
function routeWithoutRoleCheck(): RouteDefinition {
  const shape = operation({
    ...({ id: 'planted.peek', method: 'GET', path: '/api/workspaces/{workspace}/planted', access: 'admin' } as const),
    ...({ rate: 'read', scope: 'read', summary: 'A planted fault.', reply: nothing } as const),
  })
  const open = serve({ ...shape, access: 'person' }, async () => undefined)
  return { ...open, access: 'admin', operation: shape }
}

/** The matrix as it is declared, for the reference. */
export function matrixPage(routes: readonly RouteDefinition[]): string {
  const head = `| route | ${CALLERS.join(' | ')} |\n|---|${CALLERS.map(() => '---').join('|')}|`
  const rows = routes.map((route) => {
    const cells = CALLERS.map((caller) => cellOf(expectedOf(route, caller)))
    return `| \`${nameOf(route)}\` | ${cells.join(' | ')} |`
  })
  return `${INTRODUCTION}\n${head}\n${rows.join('\n')}\n`
}

function cellOf(expected: Expected): string {
  return expected === 'yes' ? 'yes' : String(errorClassOf(expected).status)
}

const INTRODUCTION = `# Who may ask what

Written by \`node test/security/write-matrix.ts\` from the definitions of the routes; \`npm run test:security\` asks every
route as every caller and compares. **yes**: what was asked is looked at, and rules beyond roles may still refuse it
(a member changes its own keys only). 401: nobody known asks, or a route for keys alone got none. 403: not for this role
or this key's scopes. 404: not this caller's workspace, told exactly as one that does not exist.

The keys belong to an admin, but for the member's key, which has every scope. An operator counts as admin everywhere.
`
