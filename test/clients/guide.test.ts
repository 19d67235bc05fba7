/** Each guide says what the client tests do: they take their settings out of it, and it names the version they install. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseProductPath } from '../../src/api/path.ts'
import type { Product } from '../../src/base/words.ts'
import { AGENTS } from './agents.ts'
import { exportedVariables, GUIDE_KEY, GUIDE_MODEL, GUIDE_ORIGIN, guideBlock, guideFile, readGuide } from './guide.ts'

const RUN = { origin: 'http://127.0.0.1:1', apiKey: 'key', product: 'go', model: 'a-model' } as const

for (const { name, title, version } of AGENTS) {
  const guide = readGuide(name)

  test(`the guide for ${title} names the version that the client tests install`, () => {
    assert.ok(guide.includes(`${title} ${version}`))
  })

  test(`nothing of the guide for ${title} is left to fill in by hand in the tests`, () => {
    const filled = ['sh', 'json', 'toml'].filter((language) => guide.includes(`\`\`\`${language}\n`))
    for (const language of filled) {
      const block = guideFile(name, language, RUN)
      for (const standIn of [GUIDE_ORIGIN, GUIDE_KEY]) assert.ok(!block.includes(standIn), language)
    }
  })
}

test('the addresses in the guides lead to their product with what each agent adds', () => {
  const variables = (name: 'claude-code' | 'gemini-cli') => exportedVariables(guideBlock(readGuide(name), 'sh'))
  const claudeCode = `${variables('claude-code').ANTHROPIC_BASE_URL}/v1/messages`
  const gemini = `${variables('gemini-cli').GOOGLE_GEMINI_BASE_URL}/v1beta/models/${GUIDE_MODEL}:generateContent`
  const codex = `${/base_url = "(.*)"/.exec(guideBlock(readGuide('codex'), 'toml'))?.[1]}/responses`
  assert.deepEqual(productOf(claudeCode), { product: 'go', tail: 'messages' })
  assert.deepEqual(productOf(codex), { product: 'go', tail: 'responses' })
  assert.deepEqual(productOf(gemini), { product: 'go', tail: `models/${GUIDE_MODEL}:generateContent` })
})

test('the configuration in the guide for opencode leads each provider to its product', () => {
  const { provider } = JSON.parse(guideBlock(readGuide('opencode'), 'json')) as {
    provider: Readonly<Record<string, { readonly options: { readonly baseURL: string } }>>
  }
  const products = Object.entries(provider).map(([id, { options }]) => [
    id,
    productOf(`${options.baseURL}/chat/completions`)?.product,
  ])
  assert.deepEqual(products, [
    ['opencode-go', 'go'],
    ['opencode', 'zen'],
  ])
})

function productOf(address: string): { product: Product; tail: string } | null {
  const found = parseProductPath(new URL(address).pathname)
  return found && { product: found.product, tail: found.tail }
}
