/** What others leave open by accident: debug pages, metrics, files, source maps, TRACE, versions in headers. */
import { allRoutes } from '../../src/api/all-routes.ts'
import type { RouteDefinition } from '../../src/api/routes.ts'
import { rawGet, sendRaw } from '../support/raw-http.ts'
import { questionFor, targetOf } from './calls.ts'
import { type AttackClass, Findings, type Outcome } from './outcome.ts'
import { type World, withWorld } from './world.ts'

const PATHS: readonly string[] = [
  ...[
    '/metrics',
    '/prometheus',
    '/stats',
    '/status',
    '/server-status',
    '/server-info',
    '/info',
    '/health',
    '/debug',
    '/trace',
  ],
  ...[
    '/debug/pprof/',
    '/debug/vars',
    '/debug/requests',
    '/_debug',
    '/__debug__/',
    '/console',
    '/actuator',
    '/actuator/env',
  ],
  ...[
    '/actuator/heapdump',
    '/env',
    '/config',
    '/config.json',
    '/zendo.jsonc',
    '/secrets.json',
    '/data/',
    '/data/zendo.db',
  ],
  ...[
    '/zendo.db',
    '/zendo.db-wal',
    '/backup',
    '/backup.sql',
    '/dump.sql',
    '/db.sqlite',
    '/spill-0.bin',
    '/place',
    '/lock',
  ],
  ...[
    '/.env',
    '/.env.local',
    '/.git/',
    '/.git/config',
    '/.git/HEAD',
    '/.svn/entries',
    '/.DS_Store',
    '/.npmrc',
    '/.ssh/id_rsa',
  ],
  ...[
    '/package.json',
    '/package-lock.json',
    '/tsconfig.json',
    '/node_modules/',
    '/src/',
    '/src/main.ts',
    '/main.ts',
    '/main.js',
  ],
  ...[
    '/main.js.map',
    '/index.js.map',
    '/app.js.map',
    '/console/main.js.map',
    '/assets/',
    '/static/',
    '/public/',
    '/docs/',
  ],
  ...[
    '/swagger',
    '/swagger.json',
    '/swagger-ui/',
    '/openapi',
    '/redoc',
    '/graphql',
    '/graphiql',
    '/playground',
    '/admin',
    '/admin/',
  ],
  ...[
    '/api',
    '/api/',
    '/api/debug',
    '/api/metrics',
    '/api/config',
    '/api/env',
    '/api/logs',
    '/api/internal',
    '/internal/',
  ],
  ...[
    '/zen',
    '/zen/',
    '/zen/v1',
    '/zen/v1/',
    '/zen/v1/debug',
    '/zen/v1/keys',
    '/zen/v1/config',
    '/v1/models',
    '/v1/keys',
  ],
  ...[
    '/key/info',
    '/key/generate',
    '/user/list',
    '/test',
    '/test/connection',
    '/login',
    '/phpinfo.php',
    '/wp-admin/',
    '/cgi-bin/',
  ],
  ...[
    '/crossdomain.xml',
    '/clientaccesspolicy.xml',
    '/sitemap.xml',
    '/.well-known/',
    '/.well-known/security.txt',
    '/favicon.ico',
  ],
  ...[
    '/json',
    '/json/version',
    '/json/list',
    '/inspector',
    '/heapdump',
    '/threaddump',
    '/gc',
    '/logs',
    '/log',
    '/shutdown',
    '/restart',
  ],
]
/** What tells which software of which version answers. */
const TELLING_HEADERS = ['server', 'x-powered-by', 'x-aspnet-version', 'x-generator', 'x-runtime', 'x-version', 'via']
const TELLING_TEXTS = /\bat .+\.(?:ts|js):\d+|node:internal|node_modules|\/src\/[a-z]+\/|sourceMappingURL|Index of \//

export const surfaces: AttackClass = {
  id: 'X25 surfaces',
  title: 'nothing is served that is not in the route table',
  run: () => withWorld({}, attack),
  control: () => withWorld({ planted: [debugPage()] }, attack),
}

async function attack(world: World): Promise<Outcome> {
  const findings = new Findings()
  const known = new Set(allRoutes.filter(({ method }) => method === 'GET').map(({ pattern }) => pattern))
  for (const path of PATHS.filter((name) => !known.has(name))) {
    const { status, text, headers } = await world.ask({ method: 'GET', path })
    findings.check(status === 404 || status === 401, () => `GET ${path}: ${status} ${text.slice(0, 120)}`)
    look(`GET ${path}`, text, headers, findings)
    findings.count('paths')
  }
  for (const route of allRoutes) {
    const question = questionFor(route, targetOf(world.a, world.operator))
    const path = question.path.split('?')[0] ?? ''
    for (const method of ['TRACE', 'TRACK', 'CONNECT', 'DEBUG']) {
      const { replies, text } = await sendRaw(world.port, [rawGet(path, ['X-Echo: canary-echo'], method)], {
        replies: 1,
        limitMs: 1000,
      })
      findings.check(!text.includes('canary-echo'), () => `${method} ${path} echoes`)
      findings.check(
        replies.every(({ status }) => status >= 400),
        () => `${method} ${path}: ${text.slice(0, 80)}`,
      )
      findings.count('methods')
    }
    for (const body of ['{', '\0', '{"model":']) {
      const { text, headers } = await world.ask({ ...question, headers: world.operator.proof, body })
      look(`${question.method} ${path} with a broken body`, text, headers, findings)
    }
    world.putBack()
  }
  return findings.outcome()
}

function look(
  told: string,
  text: string,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  findings: Findings,
): void {
  for (const name of TELLING_HEADERS) findings.check(!(name in headers), () => `${told} has the header ${name}`)
  const telling = TELLING_TEXTS.exec(text)
  findings.check(telling === null, () => `${told} shows ${telling?.[0]}`)
}

/** Left from an afternoon of looking for a fault. */
function debugPage(): RouteDefinition {
  return {
    ...({ method: 'GET', pattern: '/debug/vars', auth: 'none', access: 'public', use: null, rate: 'none' } as const),
    ...{ operation: null, protocol: null },
    handle: ({ response }) => {
      response.writeHead(200, { 'x-powered-by': 'node' })
      response.end(new Error('here').stack)
    },
  }
}
