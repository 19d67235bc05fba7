/** The requests that agents and libraries were recorded with, and the models and answers that they are sent to here. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { FAMILIES, type Family } from '../case.ts'
import type { PlainAnswers } from '../replay-upstream.ts'
import { type Form, readPath } from '../wire.ts'
import { modelFor } from '../world.ts'
import { smallAnswer } from './small-answer.ts'

type Wire = Readonly<Record<string, unknown>>

export interface Recorded {
  /** `claude-code`, `sdk-openai`. */
  readonly agent: string
  readonly name: string
  readonly method: string
  readonly family: Family
  /** `list`: of models. `upgrade`: a WebSocket. */
  readonly action: 'answer' | 'count' | 'list' | 'upgrade'
  readonly product: 'zen' | 'zen/go'
  readonly stream: boolean
  readonly form: Form
  /** Without those that belong to the recording's own connection and key. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Wire | null
}

export function loadRecorded(directory: string, filter = ''): Recorded[] {
  const root = join(directory, 'clients')
  if (!existsSync(root)) return []
  const agents = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  return agents.flatMap(({ name: agent }) =>
    readdirSync(join(root, agent))
      .filter((file) => file.endsWith('.json') && `clients/${agent}/${file}`.includes(filter))
      .sort()
      .map((file) =>
        readRecorded(agent, file.slice(0, -'.json'.length), readFileSync(join(root, agent, file), 'utf8')),
      ),
  )
}

interface RecordedFile {
  readonly request: {
    readonly method: string
    readonly path: string
    readonly headers: readonly (readonly [string, string])[]
    readonly body?: Wire
  }
}

function readRecorded(agent: string, name: string, text: string): Recorded {
  const { method, path, headers, body = null } = (JSON.parse(text) as RecordedFile).request
  const asked = readPath(path)
  const isUpgrade = headers.some(([header]) => header.toLowerCase() === 'upgrade')
  return {
    ...{ agent, name, method, body },
    family: method === 'GET' ? familyOfAgent(agent) : asked.family,
    action: isUpgrade ? 'upgrade' : method === 'GET' ? 'list' : asked.action,
    product: path.startsWith('/zen/go/') ? 'zen/go' : 'zen',
    stream: asked.family === 'google-generate' ? path.includes(':stream') : body?.stream === true,
    form: asked.form,
    headers: ownHeaders(headers),
  }
}

function familyOfAgent(agent: string): Family {
  if (agent === 'claude-code' || agent === 'sdk-anthropic') return 'anthropic-messages'
  return agent === 'codex' ? 'openai-responses' : 'openai-chat'
}

const OF_THE_CONNECTION =
  /^(?:host|connection|content-length|accept-encoding|authorization|x-api-key|x-goog-api-key|upgrade|sec-.*)$/

function ownHeaders(headers: readonly (readonly [string, string])[]): Record<string, string> {
  const lower = headers.map(([name, value]) => [name.toLowerCase(), value] as const)
  return Object.fromEntries(lower.filter(([name]) => !OF_THE_CONNECTION.test(name)))
}

/** The id under which a request's model is offered by an upstream of a protocol. */
export function clientModelId(recorded: Recorded, target: Family): string {
  return `client/${target}/${recorded.agent}/${recorded.name}`
}

/** The upstream's own name of it. */
export function clientUpstreamName({ agent, name }: Recorded): string {
  return `${agent}-${name}`
}

/** A model at an upstream of each protocol, for every request. */
export function clientModels(all: readonly Recorded[]): Record<string, object> {
  const entries = all.flatMap((recorded) =>
    FAMILIES.map(
      (target) => [clientModelId(recorded, target), modelFor(target, clientUpstreamName(recorded))] as const,
    ),
  )
  return Object.fromEntries(entries)
}

/** The same small answer to all of them, and a count for those who ask for one. */
export function clientAnswers(all: readonly Recorded[]): PlainAnswers {
  const entries = all.flatMap((recorded) =>
    FAMILIES.flatMap((target) => [
      [`${target}/${clientUpstreamName(recorded)}`, smallAnswer] as const,
      [`${target}/count/${clientUpstreamName(recorded)}`, smallAnswer] as const,
    ]),
  )
  return new Map(entries)
}
