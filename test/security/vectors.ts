/** Ways to write one request so that some parts of a chain of servers take it for another. */

export interface Vector {
  readonly name: string
  readonly method: string
  /** As it stands in the first line. */
  readonly target: string
  /** Every line of the head after the first, `Host` too. */
  readonly lines: readonly string[]
}

const HOST = 'Host: zendo.test'
/** A path that anybody may ask for. */
const OPEN = '/healthz'

/** @param path the way to what is guarded, `lines` the credentials and labels that go with it */
export function vectorsOf(method: string, path: string, lines: readonly string[]): Vector[] {
  const at = (name: string, target: string, head: readonly string[] = [HOST], by = method): Vector => ({
    ...{ name: `${by} ${path}: ${name}`, method: by, target, lines: [...head, ...lines] },
  })
  return [
    at('as it is', path),
    ...hosts.map((head) => at(`hosts ${JSON.stringify(head)}`, path, head)),
    ...targetsOf(path).map((target) => at(`target ${target}`, target)),
    ...headers(path).flatMap((line) => [
      at(`with ${line}`, path, [HOST, line]),
      at(`open path with ${line}`, OPEN, [HOST, line], 'GET'),
    ]),
    ...methods.map((by) => at('other method', path, [HOST], by)),
    at('method in the query', `${path}?_method=GET&method=GET`),
    at('HTTP/1.0 target without host', path, []),
  ]
}

const hosts: readonly (readonly string[])[] = [
  ['Host: zendo.test', 'Host: localhost'],
  ['Host: localhost', 'host: zendo.test'],
  ['Host: zendo.test/healthz?'],
  ['Host: zendo.test/healthz#'],
  ['Host: a/..'],
  ['Host: a/../healthz'],
  ['Host: zendo.test@localhost'],
  ['Host: localhost'],
  ['Host: 127.0.0.1'],
  ['Host: [::1]'],
  ['Host:'],
  ['Host: zendo.test', 'X-Forwarded-Host: localhost/healthz'],
  ['Host : zendo.test'],
  [' Host: zendo.test'],
]

function targetsOf(path: string): string[] {
  const [first = '', second = '', ...rest] = path.slice(1).split('/')
  const below = [second, ...rest].join('/')
  return [
    ...[
      `http://zendo.test${path}`,
      `http://localhost${path}`,
      `https://zendo.test${path}`,
      `http://zendo.test:80${path}`,
    ],
    ...[`//${path}`, `/${path}`, `///zendo.test${path}`, `/.${path}`, `/./${path.slice(1)}`, `/x/..${path}`],
    ...[
      `${OPEN}/..${path}`,
      `${OPEN}/%2e%2e${path}`,
      `${OPEN}/..%2f${path.slice(1)}`,
      `${OPEN};${path}`,
      `${OPEN}?${path}`,
    ],
    ...[
      `${OPEN}%00${path}`,
      `${OPEN}#${path}`,
      `${OPEN}%3f${path}`,
      `/zen/v1/models/..${path}`,
      `/zen/v1/models/../..${path}`,
    ],
    ...[
      `/zen/v1/models/%2e%2e/%2e%2e/%2e%2e${path}`,
      `/zen/v1/api.json/..${path}`,
      `/zen/v1/models/..%2f..%2f..${path}`,
    ],
    ...[`/%2e%2e${path}`, `/..${path}`, `/..;${path}`, `/%252e%252e${path}`, `/\u00b7${path}`.normalize(), `\\${path}`],
    ...[
      `/${first}\\${below}`,
      `/${first}%5c${below}`,
      `/${first}%2f${below}`,
      `/${first}%252f${below}`,
      `/${first}//${below}`,
    ],
    ...[
      `/${first}/./${below}`,
      `/${first}/x/../${below}`,
      `/${first};a=b/${below}`,
      `/${first.toUpperCase()}/${below}`,
    ],
    ...[
      `${path}/`,
      `${path}//`,
      `${path}/.`,
      `${path}/..`,
      `${path}.`,
      `${path};`,
      `${path};.css`,
      `${path}.json`,
      `${path}%20`,
    ],
    ...[
      `${path}%00`,
      `${path}%00.html`,
      `${path}%0a`,
      `${path}?`,
      `${path}#`,
      `${path}%23`,
      `${path}%3f`,
      `${path}/%2e`,
    ],
    ...[`${path}/..${OPEN}`, `${path}/..;${OPEN}`, `${path.toUpperCase()}`, `${path}\t`, `*`, ''],
    ...[`/%61${path.slice(2)}`, `/${[...path.slice(1)].map((c) => `%${c.charCodeAt(0).toString(16)}`).join('')}`],
  ]
}

function headers(path: string): string[] {
  return [
    ...['X-Original-URL', 'X-Rewrite-URL', 'X-Original-URI', 'X-Forwarded-Path', 'X-Forwarded-Uri'].flatMap((name) => [
      `${name}: ${path}`,
      `${name}: ${OPEN}`,
    ]),
    ...['X-HTTP-Method-Override', 'X-Method-Override', 'X-HTTP-Method'].flatMap((name) => [
      `${name}: GET`,
      `${name}: OPTIONS`,
    ]),
    ...['X-Forwarded-For: 127.0.0.1', 'X-Real-IP: 127.0.0.1', 'Forwarded: for=127.0.0.1;host=localhost;proto=https'],
    ...[
      'X-Forwarded-User: operator',
      'Remote-User: operator',
      'X-Remote-User: operator',
      'X-Auth-Request-Email: operator@people.example',
    ],
    ...['X-Zendo-User: operator', 'X-Zendo-Role: operator', 'X-Zendo-Internal: 1', 'X-Forwarded-Prefix: /healthz'],
    ...[
      'Authorization: Bearer null',
      'Authorization: Bearer public',
      'Authorization: Bearer undefined',
      'Authorization: Basic YTph',
    ],
    ...[
      'Authorization: Bearer',
      'Authorization: ',
      'x-api-key: public',
      'Cookie: __Host-zendo_session=',
      'Cookie: zendo_session=null',
    ],
    ...[
      'Cookie: __Host-zendo_session=x; zendo_session=y',
      'Connection: Authorization',
      'Connection: close, Cookie',
      'Upgrade: h2c',
    ],
  ]
}

const methods = ['HEAD', 'OPTIONS', 'TRACE', 'CONNECT', 'PROPFIND', 'PATCH', 'PURGE', 'get', 'GET/', 'DEBUG']

export function bytesOf({ method, target, lines }: Vector, body: string | null): Buffer {
  const version = lines.some((line) => /^\s*host/i.test(line)) ? '1.1' : '1.0'
  const length = body === null ? [] : [`Content-Length: ${Buffer.byteLength(body)}`, 'Content-Type: application/json']
  const head = [`${method} ${target} HTTP/${version}`, ...lines, ...length, 'Connection: close'].join('\r\n')
  return Buffer.from(`${head}\r\n\r\n${body ?? ''}`, 'latin1')
}
