/** The things that are compared: each answers the same requests on its own port, pinned to the gateway's core. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Protocol } from '../src/base/words.ts'
import { isStreamed } from './bodies.ts'
import { GATEWAY_CORE } from './closed-loop.ts'
import type { BodyKind, Target } from './job.ts'
import type { MockProtocol, Pair } from './pairs.ts'
import { freePort, startPinned, untilAnswering } from './pinned-process.ts'
import { processTree } from './proc.ts'
import { startZendo, type ZendoMode, type ZendoSubject, zendoModel } from './zendo.ts'

export const SUBJECT_NAMES = ['direct', 'floor', 'nginx', 'zendo-free', 'zendo-balance', 'zendo-plan'] as const
export type SubjectName = (typeof SUBJECT_NAMES)[number]

export interface Subject {
  readonly name: SubjectName
  /** What is measured; empty for `direct`, which is not a process. */
  readonly pids: readonly number[]
  /** From the start of the process to its readiness; undefined where nobody starts anything. */
  readonly startMs: number | undefined
  /** Only Zendo translates; what relays is asked in chat. */
  readonly target: (body: BodyKind, pair: Pair) => Target
  readonly stop: () => Promise<void>
  /** Present for the subjects whose ledger is compared with what was answered. */
  readonly zendo: ZendoSubject | undefined
}

export interface Surroundings {
  readonly mockPort: number
  /** Holds configurations and data of this run. */
  readonly directory: string
  /** Where processes write CPU profiles; undefined for no profiles. */
  readonly profileDirectory: string | undefined
}

/** Returns the reason as text when the subject cannot be measured on this machine. */
export async function startSubject(name: SubjectName, around: Surroundings): Promise<Subject | string> {
  switch (name) {
    case 'direct':
      return withoutLedger(name, [], undefined, around.mockPort, async () => {})
    case 'floor':
      return startFloor(around)
    case 'nginx':
      return hasNginx() ? startNginx(around) : 'nginx is not installed (Debian: apt-get install nginx-light)'
    case 'zendo-free':
    case 'zendo-balance':
    case 'zendo-plan':
      return startZendoSubject(name, around)
  }
}

/** The mock counts by the first segment of the path. */
function withoutLedger(
  name: SubjectName,
  pids: readonly number[],
  startMs: number | undefined,
  port: number,
  stop: () => Promise<void>,
): Subject {
  const path = `/${name}/v1/chat/completions`
  const target = (body: BodyKind): Target => ({
    protocol: 'openai-chat',
    port,
    path,
    key: undefined,
    model: mockModel(body),
  })
  return { name, pids, startMs, target, stop, zendo: undefined }
}

export function mockModel(body: BodyKind): string {
  return `mock-${body}`
}

const MOCK_PATHS: Readonly<Record<MockProtocol, string>> = {
  'openai-chat': '/direct/v1/chat/completions',
  'openai-responses': '/direct/v1/responses',
  'anthropic-messages': '/direct/v1/messages',
}

/** Straight to the mock, in the protocol that a gateway speaks with it. */
export function directTarget(mockPort: number, body: BodyKind, protocol: MockProtocol): Target {
  return { protocol, port: mockPort, path: MOCK_PATHS[protocol], key: undefined, model: mockModel(body) }
}

async function startFloor(around: Surroundings): Promise<Subject> {
  const port = await freePort()
  const file = fileURLToPath(new URL('floor.ts', import.meta.url))
  const env = { FLOOR_PORT: String(port), FLOOR_UPSTREAM: `http://127.0.0.1:${around.mockPort}` }
  const floor = await startPinned([process.execPath, file], { core: GATEWAY_CORE, env, ready: /listening on/ })
  return withoutLedger('floor', processTree(floor.pid), floor.startMs, port, floor.stop)
}

function hasNginx(): boolean {
  return spawnSync('nginx', ['-v']).error === undefined
}

export function nginxVersion(): string | undefined {
  const { error, stderr } = spawnSync('nginx', ['-v'], { encoding: 'utf8' })
  return error === undefined ? stderr.trim().replace('nginx version: ', '') : undefined
}

async function startNginx(around: Surroundings): Promise<Subject> {
  const port = await freePort()
  const prefix = join(around.directory, 'nginx')
  mkdirSync(prefix, { recursive: true })
  const file = join(prefix, 'nginx.conf')
  writeFileSync(file, nginxConfig(port, around.mockPort))
  const command = ['nginx', '-p', prefix, '-c', file, '-e', 'error.log']
  const nginx = await startPinned(command, { core: GATEWAY_CORE })
  await untilAnswering(`http://127.0.0.1:${port}/__counts`)
  return withoutLedger('nginx', processTree(nginx.pid), undefined, port, nginx.stop)
}

/** One worker as a relay for streams would run it: no log, kept-alive upstream sockets, bodies in memory. */
function nginxConfig(port: number, mockPort: number): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${kind};`)
  return `
daemon off;
worker_processes 1;
pid nginx.pid;
error_log error.log;
events { worker_connections 4096; }
http {
  ${temporary.join('\n  ')}
  access_log off;
  keepalive_requests 100000000;
  client_max_body_size 32m;
  client_body_buffer_size 1m;
  upstream mock { server 127.0.0.1:${mockPort}; keepalive 1024; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port} backlog=1024;
    tcp_nodelay on;
    location / {
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }
  }
}
`
}

const ZENDO_MODES = { 'zendo-free': 'free', 'zendo-balance': 'balance', 'zendo-plan': 'plan' } as const

async function startZendoSubject(name: keyof typeof ZENDO_MODES, around: Surroundings): Promise<Subject> {
  const mode: ZendoMode = ZENDO_MODES[name]
  const upstreamUrl = `http://127.0.0.1:${around.mockPort}/${name}/v1`
  const directory = join(around.directory, name)
  const zendo = await startZendo({ mode, upstreamUrl, directory, profileDirectory: around.profileDirectory })
  const target = (body: BodyKind, { client, upstream }: Pair): Target => {
    const model = zendoModel(body, upstream)
    const path = zendoPath(mode, client, model, isStreamed(body))
    return { protocol: client, port: zendo.port, path, key: zendo.key, model }
  }
  return { name, pids: zendo.pids, startMs: zendo.startMs, target, stop: zendo.stop, zendo }
}

/** Google's clients have the model and the framing in the path. */
function zendoPath(mode: ZendoMode, client: Protocol, model: string, streamed: boolean): string {
  const product = mode === 'plan' ? '/zen/go' : '/zen'
  switch (client) {
    case 'openai-chat':
      return `${product}/v1/chat/completions`
    case 'openai-responses':
      return `${product}/v1/responses`
    case 'anthropic-messages':
      return `${product}/v1/messages`
    case 'google-generate': {
      const action = streamed ? 'streamGenerateContent?alt=sse' : 'generateContent'
      return `${product}/v1beta/models/${model}:${action}`
    }
  }
}
