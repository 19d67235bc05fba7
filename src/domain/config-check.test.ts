/** What a config file may not say: each refusal at its key, in its words. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ConfigProblem, formatProblems, parseConfig } from './config-parse.ts'

function problemsOf(text: string): readonly ConfigProblem[] {
  const parsed = parseConfig(text, 'zendo.jsonc')
  return parsed.ok ? [] : parsed.problems
}

/** A file of one model that is not built in, with the given fields besides its route. */
function model(fields: string): string {
  return `{"models":{"x":{"routes":[{"provider":"sim"}],${fields}}}}`
}

describe('refusals', () => {
  const cases: [name: string, text: string, path: string, reason: RegExp][] = [
    ['a metered model without a price', model('"name":"X"'), 'models.x', /needs a price.*"free": true/],
    [
      'a built-in free model made metered',
      '{"models":{"big-pickle":{"free":false}}}',
      'models.big-pickle',
      /needs a price/,
    ],
    ['free and a price', model('"free":true,"price":{"input":1,"output":1}'), 'models.x.free', /not both/],
    ['a price of nothing', model('"price":{"input":0,"output":"0.00"}'), 'models.x.price', /written "free": true/],
    [
      'anonymous without free',
      model('"anonymous":true,"price":{"input":1,"output":1}'),
      'models.x.anonymous',
      /free model/,
    ],
    ['a negative price', model('"price":{"input":1,"output":"-0.01"}'), 'models.x.price.output', /negative/],
    [
      'a price finer than a nano-dollar',
      model('"price":{"input":1.0000000001,"output":1}'),
      'models.x.price.input',
      /nine dec/,
    ],
    [
      'a price that is not a number',
      model('"price":{"input":"1,40","output":1}'),
      'models.x.price.input',
      /plain decimal/,
    ],
    ['an absurd price', model('"price":{"input":1000001,"output":1}'), 'models.x.price.input', /above 1000000/],
    [
      'two tiers of one bound',
      model(
        '"price":{"input":1,"output":1,"tiers":[{"above":9,"input":1,"output":1},{"above":9,"input":2,"output":2}]}',
      ),
      'models.x.price.tiers',
      /same number/,
    ],
    ['a weight of zero', model('"weight":{"go":"0"}'), 'models.x.weight.go', /above zero/],
    [
      'a negative weight for one product',
      model('"perProduct":{"go":{"weight":-1}}'),
      'models.x.perProduct.go.weight',
      /above zero/,
    ],
    [
      'a route weight of zero',
      '{"models":{"glm-5.2":{"routes":[{"provider":"sim","weight":0}]}}}',
      'models.glm-5.2.routes.0.weight',
      /above zero/,
    ],
    [
      'a route to an unknown provider',
      '{"models":{"glm-5.2":{"routes":[{"provider":"acme"}]}}}',
      'models.glm-5.2.routes.0.provider',
      /no provider "acme"/,
    ],
    [
      'a route to a removed provider',
      '{"providers":{"groq":null},"models":{"glm-5.2":{"routes":[{"provider":"groq"}]}}}',
      'models.glm-5.2.routes.0.provider',
      /no provider "groq"/,
    ],
    [
      'the same route twice',
      '{"models":{"glm-5.2":{"routes":[{"provider":"sim"},{"provider":"sim","model":"glm-5.2"}]}}}',
      'models.glm-5.2.routes.1',
      /same model of the same provider/,
    ],
    [
      'a protocol that the provider has no address for',
      '{"models":{"glm-5.2":{"routes":[{"provider":"mistral","protocols":["anthropic-messages"]}]}}}',
      'models.glm-5.2.routes.0.protocols',
      /no address for anthropic-messages/,
    ],
    ['a new model without routes', '{"models":{"x":{"free":true}}}', 'models.x', /needs "routes"/],
    [
      'a product that is not sold',
      model('"free":true,"products":["zen"],"perProduct":{"go":{"free":true}}'),
      'models.x.perProduct.go',
      /does not name go/,
    ],
    ['a limit of no tokens', model('"context":0'), 'models.x.context', /above zero/],
    ['an impossible date', model('"deprecationDate":"2026-02-30"'), 'models.x.deprecationDate', /YYYY-MM-DD/],
    ['removing what is not built in', '{"models":{"nope":null}}', 'models.nope', /removes what is built in/],
    [
      'removing by a name that every object has',
      '{"models":{"constructor":null}}',
      'models.constructor',
      /removes what is built in/,
    ],
    [
      'a model id with a client prefix',
      '{"models":{"opencode/x":{"free":true,"routes":[]}}}',
      'models.opencode/x',
      /not a model id/,
    ],
    [
      'a timeout of zero',
      '{"providers":{"sim":{"timeouts":{"idleMs":0}}}}',
      'providers.sim.timeouts.idleMs',
      /above zero/,
    ],
    [
      'a timeout no timer can hold',
      '{"providers":{"sim":{"timeouts":{"idleMs":2147483648}}}}',
      'providers.sim.timeouts.idleMs',
      /24.8 days/,
    ],
    [
      'an address that is no URL',
      '{"providers":{"a":{"protocol":"openai-chat","baseUrl":"ftp://x"}}}',
      'providers.a.baseUrl',
      /http:\/\/ or https/,
    ],
    [
      'an address with a password',
      '{"providers":{"a":{"protocol":"openai-chat","baseUrl":"https://u:p@x/v1"}}}',
      'providers.a.baseUrl',
      /user name or password/,
    ],
    [
      'an address with a query',
      '{"providers":{"a":{"protocol":"openai-chat","baseUrl":"https://x/v1?"}}}',
      'providers.a.baseUrl',
      /query or fragment/,
    ],
    [
      'an address with a fragment',
      '{"providers":{"a":{"baseUrls":{"openai-chat":"https://x/v1#a"}}}}',
      'providers.a.baseUrls.openai-chat',
      /query or fragment/,
    ],
    [
      'an unknown protocol',
      '{"providers":{"a":{"protocol":"openai","baseUrl":"https://x"}}}',
      'providers.a.protocol',
      /openai-chat, openai-responses/,
    ],
    [
      'a new provider without an address',
      '{"providers":{"a":{"apiKey":"k"}}}',
      'providers.a',
      /needs "protocol" and "baseUrl"/,
    ],
    [
      'a new provider without a protocol',
      '{"providers":{"a":{"baseUrl":"https://x"}}}',
      'providers.a',
      /"protocol" is required/,
    ],
    [
      'both forms of address',
      '{"providers":{"a":{"protocol":"openai-chat","baseUrl":"https://x","baseUrls":{"openai-chat":"https://x"}}}}',
      'providers.a',
      /either/,
    ],
    [
      'one address for a provider of several',
      '{"providers":{"deepseek":{"baseUrl":"https://x"}}}',
      'providers.deepseek',
      /address per protocol/,
    ],
    [
      'an address for the simulation',
      '{"providers":{"sim":{"protocol":"simulated","baseUrl":"https://x"}}}',
      'providers.sim',
      /no "baseUrl"/,
    ],
    [
      'a built-in provider without a key',
      '{"providers":{"zai":{"region":"sg"}}}',
      'providers.zai',
      /"apiKey" is required/,
    ],
    ['a secret with a space', '{"providers":{"zai":{"apiKey":"sk 1"}}}', 'providers.zai.apiKey', /visible characters/],
    [
      'a variable without a name',
      '{"providers":{"zai":{"apiKey":"env:"}}}',
      'providers.zai.apiKey',
      /name of a variable/,
    ],
    ['a file without a path', '{"providers":{"zai":{"apiKey":"file:"}}}', 'providers.zai.apiKey', /path after file:/],
    [
      'a window of no money',
      '{"plans":{"go":{"windows":[{"name":"w","kind":"calendar","unit":"week","limit":0}]}}}',
      'plans.go.windows.0.limit',
      /above zero/,
    ],
    [
      'a window of no time',
      '{"plans":{"go":{"windows":[{"name":"w","kind":"session","hours":0,"limit":1}]}}}',
      'plans.go.windows.0.hours',
      /above zero/,
    ],
    ['a plan without windows', '{"plans":{"go":{"windows":[]}}}', 'plans.go.windows', /at least one window/],
    [
      'two windows of one name',
      '{"plans":{"go":{"windows":[{"name":"w","kind":"session","hours":1,"limit":1},{"name":"w","kind":"session","hours":2,"limit":1}]}}}',
      'plans.go.windows',
      /same name/,
    ],
    [
      'an unknown kind of window',
      '{"plans":{"go":{"windows":[{"name":"w","kind":"rolling","hours":1,"limit":1}]}}}',
      'plans.go.windows.0.kind',
      /session, calendar, anchored or sliding/,
    ],
    [
      'a sliding window of half minutes',
      '{"plans":{"go":{"windows":[{"name":"w","kind":"sliding","hours":0.0083333333,"limit":1}]}}}',
      'plans.go.windows.0.hours',
      /whole minutes/,
    ],
    [
      'a session of half seconds',
      '{"plans":{"go":{"windows":[{"name":"w","kind":"session","hours":0.000138888889,"limit":1}]}}}',
      'plans.go.windows.0.hours',
      /whole seconds/,
    ],
    [
      'a window of a unit that is no period',
      '{"plans":{"go":{"windows":[{"name":"w","kind":"calendar","unit":"hour","limit":1}]}}}',
      'plans.go.windows.0.unit',
      /day, week or month/,
    ],
    [
      'a new plan without a price',
      '{"plans":{"big":{"windows":[{"name":"w","kind":"session","hours":1,"limit":1}]}}}',
      'plans.big',
      /"price" is required/,
    ],
    ['an alias of nothing', '{"aliases":{"a":"nope"}}', 'aliases.a', /no model "nope"/],
    ['an alias of itself', '{"aliases":{"a":"a"}}', 'aliases.a', /never ends/],
    [
      'an alias of a removed model',
      '{"models":{"glm-5.2":null},"aliases":{"a":"glm-5.2"}}',
      'aliases.a',
      /no model "glm-5.2"/,
    ],
    ['a range that is none', '{"server":{"trustedProxies":["10.0.0.0/33"]}}', 'server.trustedProxies.0', /10.0.0.0\/8/],
    ['a body limit of nothing', '{"server":{"maxBodyBytes":0}}', 'server.maxBodyBytes', /at least 1/],
    ['a sign of life too often', '{"server":{"keepAliveSeconds":0.04}}', 'server.keepAliveSeconds', /at least 0.05/],
    ['a sign of life too late', '{"server":{"keepAliveSeconds":3601}}', 'server.keepAliveSeconds', /3600/],
    [
      'a quirk of a protocol that is none',
      '{"providers":{"zai":{"apiKey":"k","quirks":{"chat":{}}}}}',
      'providers.zai.quirks.chat',
      /no such key/,
    ],
    [
      'a misspelt quirk',
      '{"models":{"glm-5.2":{"quirks":{"effort":["low"]}}}}',
      'models.glm-5.2.quirks.effort',
      /no such key/,
    ],
  ]
  for (const [name, text, path, reason] of cases) {
    test(`${name} is refused at ${path}`, () => {
      const found = problemsOf(text).find((problem) => problem.path === path)
      assert.ok(found, formatProblems(problemsOf(text)) || 'accepted')
      assert.match(found.reason, reason)
    })
  }

  test('each alias of a circle is reported', () => {
    const paths = problemsOf('{"aliases":{"a":"b","b":"c","c":"a"}}').map((problem) => problem.path)
    assert.deepEqual(paths, ['aliases.a', 'aliases.b', 'aliases.c'])
  })

  test('a provider at fault is reported once, not again at each route to it', () => {
    const text = '{"providers":{"a":{}},"models":{"x":{"free":true,"routes":[{"provider":"a"}]}}}'
    assert.deepEqual(
      problemsOf(text).map((problem) => problem.path),
      ['providers.a'],
    )
  })
})
