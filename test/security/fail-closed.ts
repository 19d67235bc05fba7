/**
 * Every step that lets a request in is made to throw, and to say nothing for ever: then nobody is let in, nothing goes to
 * a provider, and what is told does not show what broke.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type IncomingMessage, Server } from 'node:http'
import type { RouteDefinition } from '../../src/api/routes.ts'
import { within } from '../support/until.ts'
import { type AttackClass, Findings, type Outcome } from './outcome.ts'
import { type Answer, type Question, type World, withWorld } from './world.ts'

const BREAKDOWN = 'breakdown-7c2f'
/** Longer than any step may take before it is given up; who is silent for ever has let nobody in. */
const PATIENCE_MS = 1500

export const failClosed: AttackClass = {
  id: 'X22 fail closed',
  title: 'what cannot be checked is refused',
  run: () => following(() => withWorld({}, (world) => attack(world, questionsOf(world)))),
  control: () => {
    const planted = [forgivingRoute()]
    const question = { method: 'GET', path: '/api/planted' }
    return following(() => withWorld({ planted }, (world) => attack(world, [question])))
  },
}

/** Which request a step is done for; the server's chores are for none. */
const currentRequest = new AsyncLocalStorage<string>()
const NUMBER = 'x-attack-number'

/** While it works, whatever a server does for a request knows for which. */
async function following(work: () => Promise<Outcome>): Promise<Outcome> {
  const { emit } = Server.prototype
  Server.prototype.emit = function (this: Server, event: string | symbol, ...values: unknown[]): boolean {
    const pass = (): boolean => emit.call(this, event, ...values)
    if (event !== 'request') return pass()
    return currentRequest.run(String((values[0] as IncomingMessage).headers[NUMBER]), pass)
  }
  try {
    return await work()
  } finally {
    Server.prototype.emit = emit
  }
}

/** A step by its name, as the object and the member that do it. */
interface Step {
  readonly name: string
  readonly owner: object
  readonly member: string
  /** What a hanging step would keep for itself is not given up, and so is only made to throw. */
  readonly throwsOnly?: true
}

function stepsOf({ gateway, control }: World): Step[] {
  const all = (name: string, owner: object, members: readonly string[], throwsOnly?: true): Step[] =>
    members.map((member) => ({ name: `${name}.${member}`, owner, member, ...(throwsOnly && { throwsOnly }) }))
  return [
    ...all('database', control.database, ['get', 'all', 'run', 'write', 'read']),
    ...all('keys', gateway.keys, ['find']),
    ...all('ledger', gateway.ledger, ['hold']),
    ...all('traffic', gateway.traffic, ['enter', 'check'], true),
    ...all('gateway', gateway, ['catalog'], true),
    ...all('control', control, ['publicUrl', 'secret'], true),
  ]
}

function questionsOf({ a, operator }: World): Question[] {
  const body = { model: 'paid-model', messages: [{ role: 'user', content: 'hi' }] }
  const chat = '/zen/v1/chat/completions'
  return [
    { method: 'POST', path: chat, headers: a.keys.inference.proof, body },
    { method: 'POST', path: chat, headers: a.keys.inference.proof, body: { ...body, stream: true } },
    { method: 'POST', path: '/zen/go/v1/chat/completions', headers: a.keys.ofMember.proof, body },
    { method: 'POST', path: chat, headers: { authorization: 'Bearer nonsense' }, body },
    {
      method: 'POST',
      path: '/zen/v1/messages/count_tokens',
      headers: a.keys.inference.proof,
      body: { ...body, max_tokens: 1 },
    },
    { method: 'GET', path: '/zen/v1/usage', headers: a.keys.inference.proof },
    { method: 'GET', path: '/api/requests', headers: a.keys.read.proof },
    { method: 'GET', path: '/api/session', headers: a.member.proof },
    { method: 'GET', path: '/api/people', headers: operator.proof },
    { method: 'GET', path: `/api/workspaces/${a.workspaceId}/keys`, headers: a.member.proof },
    { method: 'DELETE', path: '/api/session', headers: a.member.proof },
    { method: 'DELETE', path: `/api/workspaces/${a.workspaceId}/keys/${a.keys.spare.id}`, headers: a.admin.proof },
  ]
}

async function attack(world: World, questions: readonly Question[]): Promise<Outcome> {
  const findings = new Findings()
  for (const step of stepsOf(world)) {
    for (const question of questions) await tryAll(world, step, 'throws', [question], findings)
    if (!step.throwsOnly) await tryAll(world, step, 'hangs', questions, findings)
    findings.count('steps')
  }
  return findings.outcome()
}

type Kind = 'throws' | 'hangs'

/** All at once, with one fault in place. */
async function tryAll(
  world: World,
  step: Step,
  kind: Kind,
  questions: readonly Question[],
  findings: Findings,
): Promise<void> {
  // Nothing is remembered: every step is needed again.
  world.putBack()
  const hits = world.upstream.calls.length
  const fault = plant(step, kind)
  const asked = questions.map(async (question, index) => {
    const told = `${question.method} ${question.path} while ${step.name} ${kind}`
    const number = String(index)
    const answering = world.ask({ ...question, headers: { ...question.headers, [NUMBER]: number } })
    const answer = await within(told, answering, kind === 'hangs' ? PATIENCE_MS : 10_000).catch(() => null)
    return { number, told, answer, answering }
  })
  const answers = await Promise.all(asked)
  const met = fault.remove()
  await Promise.allSettled(answers.map(({ answering }) => answering))
  for (const { number, told, answer } of answers) {
    if (!met.has(number)) continue
    findings.count('faults met')
    if (answer !== null) judge(told, answer, findings)
    else findings.check(kind === 'hangs', () => `${told}: no answer`)
    if (answer === null) findings.count('left without an answer')
  }
  const reached = world.upstream.calls.slice(hits).length
  const unharmed = questions.filter(
    (question, index) => !met.has(String(index)) && question.path.startsWith('/zen'),
  ).length
  findings.check(reached <= unharmed, () => `while ${step.name} ${kind}, ${reached} requests went to the provider`)
}

function judge(told: string, { status, text }: Answer, findings: Findings): void {
  findings.check(status >= 400, () => `${told}: let in with ${status} ${text.slice(0, 120)}`)
  findings.check(!text.includes(BREAKDOWN), () => `${told}: shows what broke: ${text.slice(0, 200)}`)
  findings.check(!/\bat .+:\d+:\d+|\.ts\b/.test(text), () => `${told}: shows a stack: ${text.slice(0, 200)}`)
}

/** Puts a fault in place of a step, until it is removed; tells which requests met it. Whoever hangs then learns that nothing comes any more. */
function plant({ owner, member }: Step, kind: Kind): { remove(): ReadonlySet<string> } {
  const parts = owner as Record<string, unknown>
  const before = Object.getOwnPropertyDescriptor(owner, member)
  const isFunction = typeof parts[member] === 'function'
  const hanging: ((error: Error) => void)[] = []
  const met = new Set<string>()
  const broken = (): never | Promise<never> => {
    met.add(currentRequest.getStore() ?? '')
    if (kind === 'hangs') return new Promise((_, reject) => hanging.push(reject))
    throw new Error(BREAKDOWN)
  }
  const fault = isFunction ? { value: broken, writable: true } : { get: broken }
  Object.defineProperty(owner, member, { configurable: true, ...fault })
  return {
    remove() {
      if (before) Object.defineProperty(owner, member, before)
      else delete parts[member]
      for (const reject of hanging) reject(new Error(BREAKDOWN))
      return met
    },
  }
}

/** Takes a look-up that fails for one that found nothing against the caller. */
function forgivingRoute(): RouteDefinition {
  return {
    ...({ method: 'GET', pattern: '/api/planted', auth: 'none', access: 'public', use: null, rate: 'none' } as const),
    ...{ operation: null, protocol: null },
    async handle({ control, response }) {
      try {
        await control.database.get('SELECT 1')
        response.writeHead(401).end()
      } catch {
        response.writeHead(200).end('welcome')
      }
    },
  }
}
