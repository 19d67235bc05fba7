/** What the server prints: where it listens, and after the very first start everything one needs to try it. */
import type { Setup } from './control/setup.ts'
import type { SetupLink } from './control/sign-in/setup-link.ts'
import type { Catalog } from './domain/catalog.ts'

const TRIAL_MODEL = 'sim/echo'

/**
 * The lines of a start. Two secrets may stand in them, each shown this once: the key of the first start, and the set-up
 * link while there is no operator.
 */
export function readyLines(url: string, setup: Setup, catalog: Catalog, link: SetupLink | null): string[] {
  const lines = [`Zendo is listening on ${url}`]
  if (link) {
    lines.push(
      `Console: ${link.url}`,
      '  What stands behind the # makes the first operator, once, within 24 hours: POST /api/setup, as docs/guides/team.md',
      '  shows it.',
    )
  }
  if (!setup.created) return lines
  lines.push(
    '',
    'This is the first start. A workspace was made, with $5.00 of demo credit and a seat on the Go plan.',
    `Your API key, shown only now: ${setup.key}`,
  )
  if (catalog.models.zen.has(TRIAL_MODEL))
    lines.push('', 'Try it with a simulated model:', '', ...trialCommand(url, setup.key))
  lines.push(
    '',
    'To add a real provider, write zendo.jsonc beside package.json; it is read without a restart:',
    '',
    '  { "providers": { "zai": { "apiKey": "env:ZAI_API_KEY" } } }',
    '',
    'and see what it brings with: npx zendo models',
  )
  return lines
}

function trialCommand(url: string, key: string): string[] {
  const body = JSON.stringify({ model: TRIAL_MODEL, messages: [{ role: 'user', content: 'Hello, Zendo' }] })
  return [
    `  curl ${url}/zen/v1/chat/completions -H "Authorization: Bearer ${key}" -H "content-type: application/json" -d '${body}'`,
  ]
}
