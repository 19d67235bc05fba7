/** The config file: what is accepted, what is refused, where, and in which words. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type ConfigProblem, formatProblems, parseConfig } from './config-parse.ts'

/** The file of the design page, with one more of everything that it leaves out. */
const FULL = `// every key once
{
  "$schema": "./docs/reference/zendo.schema.json",
  "providers": {
    "acme": {
      "protocol": "openai-chat",
      "baseUrl": "https://api.acme.example/v1",
      "apiKey": "env:ACME_API_KEY",
      "region": "eu", "retention": "zero", "training": false,
      "timeouts": { "connectMs": 5000, "headersMs": 120000, "idleMs": 120000, "totalMs": 3600000 },
      "maxConnections": 64,
    },
    "both": { "baseUrls": { "openai-chat": "http://10.0.0.1/v1", "anthropic-messages": "http://10.0.0.1/v1" } },
    "sim": { "protocol": "simulated" },
    "groq": null,
  },
  "models": {
    "glm-5.2": {
      "name": "GLM-5.2", "products": ["zen", "go"],
      "protocol": "openai-chat",
      "context": 204800, "maxOutput": 131072,
      "capabilities": { "tools": true, "reasoning": true, "images": false },
      "modalities": { "input": ["text"], "output": ["text"] },
      "price": { "input": 1.40, "output": "4.40", "cachedRead": 0.26, "cacheWrite5m": null, "cacheWrite1h": null,
                 "tiers": [{ "above": 200000, "input": 2.80, "output": 8.80 }] },
      "weight": { "go": 1 },
      "perProduct": { "go": { "protocol": "anthropic-messages", "price": { "input": 1, "output": 2 }, "weight": 0.5 } },
      "status": "beta", "releaseDate": "2026-06-13", "deprecationDate": "2027-01-01",
      "requestShape": { "input": 1, "cachedRead": 2, "output": 3 },
      "quirks": { "efforts": ["high", "max"] }, "originateCacheMarks": true,
      "routes": [{ "provider": "acme", "model": "glm-5.2", "weight": 1, "priority": 0, "protocols": ["openai-chat"],
                   "quirks": { "reasoningControl": "thinking" } }]
    },
    "big-pickle": { "name": "Big Pickle", "free": true, "anonymous": true, "products": ["zen"],
                    "protocol": "openai-chat", "routes": [{ "provider": "sim", "model": "echo" }] },
    "glm-4.6": null
  },
  "plans": {
    "go": { "price": 10, "interval": "month", "products": ["go"],
            "windows": [ { "name": "5 hour",  "kind": "session",  "hours": 5, "limit": 12 },
                         { "name": "weekly",  "kind": "calendar", "unit": "week", "limit": 30 },
                         { "name": "monthly", "kind": "anchored", "unit": "month", "limit": 60 } ] }
  },
  "aliases": { "gpt-5.4-nano": "glm-5.2", "small": "gpt-5.4-nano" },
  "anonymous": { "requestsPerDay": 50 },
  "limits": { "key": { "requestsPerMinute": 300, "burst": 30, "inFlight": null },
              "address": { "requestsPerMinute": 60, "burst": 10 }, "loop": { "repeats": 0, "seconds": 30 } },
  "server": { "trustedProxies": ["10.0.0.0/8", "2001:db8::/32", "127.0.0.1"], "maxBodyBytes": 1048576,
              "keepAliveSeconds": 0.05 },
}
`

function problemsOf(text: string): readonly ConfigProblem[] {
  const parsed = parseConfig(text, 'zendo.jsonc')
  return parsed.ok ? [] : parsed.problems
}

function places(text: string): string[] {
  return problemsOf(text).map(({ line, column, path, reason }) => `${line}:${column} ${path}: ${reason}`)
}

describe('a well-formed file', () => {
  test('every documented key is accepted and kept as written', () => {
    const parsed = parseConfig(FULL, 'zendo.jsonc')
    assert.deepEqual(parsed.ok ? [] : parsed.problems, [])
    assert.ok(parsed.ok)
    assert.equal(parsed.config.models?.['glm-5.2']?.price?.output, '4.40')
    assert.equal(parsed.config.models?.['glm-4.6'], null)
    assert.equal(parsed.config.anonymous?.requestsPerDay, 50)
  })

  test('an empty object, comments, trailing commas and a byte order mark are accepted', () => {
    for (const text of ['{}', '\uFEFF{}', '/* a */ { // b\n "models": {}, }']) assert.deepEqual(places(text), [])
  })
})

describe('places', () => {
  test('several problems are reported at once, each at its own line and column, in order', () => {
    const text = [
      '{',
      '  "providers": {',
      '    "acme": { "protocol": "openai-chat", "baseUrl": "acme.example" }',
      '  },',
      '  "models": {',
      '    "a": {',
      '      "contxt": 1000,',
      '      "price": { "input": -1, "output": 2 },',
      '      "weight": { "go": 0 }',
      '    }',
      '  },',
      '  "extra": []',
      '}',
    ].join('\n')
    assert.deepEqual(places(text), [
      '3:53 providers.acme.baseUrl: expected an address that begins with http:// or https://',
      '7:7 models.a.contxt: there is no such key',
      '8:27 models.a.price.input: must not be negative',
      '9:25 models.a.weight.go: must be above zero',
      '12:3 extra: there is no such key',
    ])
  })

  test('lines end with LF, CR LF or CR, and a byte order mark is no column', () => {
    const text = '\uFEFF{ "x": 1,\r\n"y": 1,\r"models": {\n"z": 1 } }'
    assert.deepEqual(
      problemsOf(text).map(({ line, column }) => [line, column]),
      [
        [1, 3],
        [2, 1],
        [4, 6],
      ],
    )
  })

  test('a missing key is reported where it is missing', () => {
    assert.deepEqual(places('{"models":{\n"x":{"routes":[{}]}}}'), ['2:16 models.x.routes.0.provider: is required'])
  })

  test('problems are printed one a line, as compilers do', () => {
    const problems = problemsOf('{\n  "modles": {}\n}')
    assert.equal(formatProblems(problems), 'zendo.jsonc:2:3: modles: there is no such key')
  })

  test('a key cannot forge a line of the log', () => {
    assert.equal(formatProblems(problemsOf('{"a\\nb": 1}')).includes('\n'), false)
  })
})

describe('syntax', () => {
  const cases: [string, string][] = [
    ['', '1:1 : the file is empty; a configuration of nothing is {}'],
    ['{\n"a": 1', '2:7 : expected a closing brace }'],
    ['{\n\n"models" {} }', '3:10 : expected a colon'],
    ['{\n"models": {}\n"plans": {} }', '3:1 : expected a comma'],
    ["{\n'models': {} }", '2:1 : this is not JSON'],
    ['{ "models": {} } {', '1:18 : expected the end of the file'],
    ['{ "a": "b\n" }', '1:8 : a text is not closed'],
    ['{ /* never closed', '1:3 : a comment is not closed'],
    ['[]', '1:1 : expected an object'],
    ['{"aliases":{"a":"sim/echo",\n"a":"sim/long"}}', '2:1 aliases.a: this key stands twice in the same object'],
    ['{"models":{\n"__proto__":null}}', '2:1 models.__proto__: not a possible key'],
  ]
  for (const [text, expected] of cases) {
    test(`${JSON.stringify(text)} is refused at its place`, () => {
      assert.ok(places(text).includes(expected), places(text).join('\n'))
    })
  }

  test('a file that is nested too deeply or is too long is refused before it is parsed', () => {
    assert.deepEqual(places('['.repeat(100_000)), ['1:33 : nested deeper than 32 levels'])
    assert.match(places(`{}${' '.repeat(1_048_576)}`)[0] ?? '', /longer than 1048576 characters/)
  })
})

describe('secrets', () => {
  test('no message repeats a credential, wherever in a provider it was put', () => {
    const secret = 'sk-THISISTHESECRET'
    const entries = [
      `{"apiKey":"${secret} "}`,
      `{"apiKey":["${secret}"]}`,
      `{"apiKey":"env:${secret}"}`,
      `{"baseUrl":"https://user:${secret}@x/v1"}`,
      `{"baseUrl":"${secret}"}`,
      `{"baseUrl":"https://x/v1?key=${secret}"}`,
      `{"protocol":"${secret}"}`,
      `{"maxConnections":"${secret}"}`,
    ]
    for (const entry of entries) {
      const text = formatProblems(problemsOf(`{"providers":{"acme":${entry}}}`))
      assert.notEqual(text, '')
      assert.equal(text.includes(secret), false, text)
    }
  })
})

describe('any text', () => {
  const seed = Number(process.env.ZENDO_TEST_SEED ?? Date.now() % 2 ** 31)

  test(`parsing never throws and always names a place (seed ${seed})`, () => {
    const mutated = fc
      .tuple(fc.nat(FULL.length), fc.nat(20), fc.string({ unit: 'binary', maxLength: 8 }))
      .map(([start, length, insert]) => FULL.slice(0, start) + insert + FULL.slice(start + length))
    const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.json(), mutated)
    fc.assert(
      fc.property(anyText, (text) => {
        const parsed = parseConfig(text, 'f')
        if (parsed.ok) return
        assert.ok(parsed.problems.length > 0)
        const lines = text.split(/\r\n|\r|\n/).length
        for (const { line, column, reason } of parsed.problems) {
          assert.ok(line >= 1 && line <= lines && column >= 1 && reason.length > 0)
        }
      }),
      { seed, numRuns: 500 },
    )
  })
})
