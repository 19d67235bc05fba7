/** Sends every recorded client request through the gateway: in its own protocol, and to upstreams of the other three. */
import { request } from 'node:http'
import { type HttpReply, post } from '../../support/http.ts'
import { strictChat } from '../../support/strict/chat.ts'
import { strictGoogle } from '../../support/strict/google.ts'
import { strictMessages } from '../../support/strict/messages.ts'
import { createMint } from '../../support/strict/mint.ts'
import { strictResponses } from '../../support/strict/responses.ts'
import type { StrictDialect } from '../../support/strict/server.ts'
import { checkSameBytes } from '../call.ts'
import { FAMILIES, type Family } from '../case.ts'
import type { ReceivedRequest } from '../replay-upstream.ts'
import { sideBySide } from '../suite.ts'
import type { Outcome, Verdict } from '../verdict.ts'
import { countPathOf, keyHeaders, pathOf, readPath } from '../wire.ts'
import type { World } from '../world.ts'
import { clientModelId, clientUpstreamName, type Recorded } from './recorded.ts'
import { choiceOf, roundTrip, starred } from './round-trip.ts'
import { ANSWER_TEXT, COUNTED_TOKENS } from './small-answer.ts'

export async function runClients(world: World, all: readonly Recorded[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  await sideBySide(world, all, async (recorded) => {
    if (recorded.action === 'list' || recorded.action === 'upgrade') {
      outcomes.push(await visit(world, recorded))
      return
    }
    outcomes.push(checkRoundTrip(recorded))
    for (const target of FAMILIES) {
      if (recorded.action === 'count' && target === 'openai-chat') continue
      outcomes.push(await ask(world, recorded, target))
    }
  })
  return outcomes
}

function outcome(recorded: Recorded, target: string, found: { losses?: string[]; problems: string[] }): Outcome {
  const { losses = [], problems } = found
  const verdict: Verdict = problems.length > 0 ? 'failed' : losses.length > 0 ? 'disclosed' : 'passed'
  const label = `clients/${recorded.agent}/${recorded.name} → ${target}`
  return { family: `clients/${recorded.agent}`, target, label, verdict, losses, problems }
}

function checkRoundTrip(recorded: Recorded): Outcome {
  const target = 'codec'
  try {
    const changes = roundTrip(recorded)
    const losses = changes.flatMap((changed) => choiceOf(changed) ?? [])
    const faults = changes.filter((changed) => choiceOf(changed) === null)
    const problems = faults.map(({ place, before, after }) => `${place}: ${brief(before)} became ${brief(after)}`)
    return outcome(recorded, target, { losses: [...new Set(losses)].map((reason) => `codec: ${reason}`), problems })
  } catch (error) {
    return outcome(recorded, target, { problems: [String(error)] })
  }
}

/** Lists of models, and the WebSocket that Codex tries first. */
async function visit({ gateway }: World, recorded: Recorded): Promise<Outcome> {
  const { family, product, action } = recorded
  const headers = { ...recorded.headers, ...keyHeaders(family, gateway.apiKey) }
  if (action === 'upgrade') {
    const status = await upgradeStatus(`${gateway.baseUrl}/${product}/v1/responses`, headers)
    return outcome(recorded, family, { problems: status === 426 ? [] : [`expected 426 for an upgrade, got ${status}`] })
  }
  const reply = await fetch(`${gateway.baseUrl}/${product}/v1/models`, { headers })
  const body = await reply.text()
  const isList = reply.status === 200 && body.includes('"data":[')
  return outcome(recorded, family, { problems: isList ? [] : [`got ${reply.status} ${body.slice(0, 200)}`] })
}

function upgradeStatus(url: string, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const websocket = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' }
    const outgoing = request(url, {
      headers: { ...headers, ...websocket, 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' },
    })
    outgoing.once('error', reject)
    outgoing.once('response', (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    outgoing.end()
  })
}

async function ask(world: World, recorded: Recorded, target: Family): Promise<Outcome> {
  const { gateway, upstream } = world
  const { family, action, product, stream, form, headers } = recorded
  const model = clientModelId(recorded, target)
  const path = action === 'count' ? countPathOf(family, model) : pathOf(family, { model, stream, form })
  const url = `${gateway.baseUrl}/${product}/v1${path}`
  const key = `${target}/${action === 'count' ? 'count/' : ''}${clientUpstreamName(recorded)}`
  const before = upstream.receivedFor(key).length
  const reply = await post(url, { ...headers, ...keyHeaders(family, gateway.apiKey) }, bodyFor(recorded, model))
  world.rowOf(String(reply.headers['x-request-id']))
  const received = upstream.receivedFor(key)[before] ?? null
  if (reply.status >= 400) return refused(recorded, target, reply)
  const problems = [...checkReply(recorded, reply), ...checkReceived(recorded, target, received)]
  return outcome(recorded, target, { losses: warningsOf(reply), problems })
}

function bodyFor(recorded: Recorded, model: string): Buffer {
  const { family, body } = recorded
  return Buffer.from(JSON.stringify(family === 'google-generate' ? body : { ...body, model }))
}

/** A clear word that this model cannot be asked so is not a fault. */
function refused(recorded: Recorded, target: Family, reply: HttpReply): Outcome {
  const text = reply.body.toString('utf8')
  const isClear = reply.status === 400 && text.includes('unsupported_feature') && target !== recorded.family
  if (!isClear) return outcome(recorded, target, { problems: [`refused: ${reply.status} ${text.slice(0, 300)}`] })
  const message = /"message":"([^"]*)/.exec(text)?.[1] ?? ''
  return outcome(recorded, target, { losses: [`refused: ${message}`], problems: [] })
}

function checkReply({ action, stream }: Recorded, reply: HttpReply): string[] {
  const wanted = action === 'count' ? String(COUNTED_TOKENS) : ANSWER_TEXT
  const text = reply.body.toString('utf8')
  if (!reply.ended) return ['the reply broke off']
  const type = String(reply.headers['content-type'])
  if (stream && action === 'answer' && !type.startsWith('text/event-stream')) return [`expected events, got ${type}`]
  return text.includes(wanted) ? [] : [`expected ${wanted} in the reply, got ${text.slice(0, 300)}`]
}

function warningsOf(reply: HttpReply): string[] {
  const header = reply.headers['x-zendo-warnings']
  return header === undefined
    ? []
    : [...new Set(String(header).split(', ').map(starred))].map((text) => `warned: ${text}`)
}

const DIALECTS: Readonly<Record<Family, () => StrictDialect>> = {
  'openai-chat': strictChat,
  'openai-responses': strictResponses,
  'anthropic-messages': strictMessages,
  // Calls that other models made carry Google's own word for a signature that is not there.
  'google-generate': () => strictGoogle({ dummySignature: true }),
}

function checkReceived(recorded: Recorded, target: Family, received: ReceivedRequest | null): string[] {
  if (received === null) return ['nothing reached the upstream']
  const { family, action } = recorded
  if (action === 'count') return []
  if (target === family) {
    const streams = family === 'openai-chat' && recorded.stream
    const options = recorded.body?.stream_options as { include_usage?: boolean } | undefined
    const asksUsage = streams ? options?.include_usage === true : null
    return checkSameBytes(bodyFor(recorded, clientUpstreamName(recorded)), received.body, asksUsage)
  }
  return checkRules(target, received)
}

/** What the vendor of the target would say against the translated body. */
function checkRules(target: Family, { path, headers, body }: ReceivedRequest): string[] {
  const asked = readPath(path)
  const wire = JSON.parse(body.toString('utf8')) as Record<string, unknown>
  const [, query = ''] = path.split('?')
  const model = asked.model ?? String(wire.model)
  const stream = target === 'google-generate' ? asked.isStream : wire.stream === true
  const made = { path: path.split('?')[0] ?? '', query: new URLSearchParams(query), headers, body: wire, model, stream }
  try {
    DIALECTS[target]().check(made, createMint('nobody’s'))
    return []
  } catch (error) {
    return [`the vendor would refuse it: ${error}`]
  }
}

function brief(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 120)
}
