/**
 * Takes the settings of an agent out of its guide, so that what the guide tells people is what the tests run. The
 * guides speak of a gateway at the default address, of the Go product and of a stand-in for the key.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AgentName, AgentRun } from './agent.ts'

const GUIDES = join(import.meta.dirname, '..', '..', 'docs', 'guides')
export const GUIDE_ORIGIN = 'http://127.0.0.1:7070'
export const GUIDE_KEY = 'sk-zendo-…'
/** The model that all guides name. */
export const GUIDE_MODEL = 'glm-5.2'

export function readGuide(name: AgentName): string {
  return readFileSync(join(GUIDES, `${name}.md`), 'utf8')
}

/** The first fenced block of the language. @throws when the guide has none */
export function guideBlock(guide: string, language: string): string {
  const block = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(guide)?.[1]
  if (block === undefined) throw new Error(`the guide has no block of ${language}`)
  return block
}

/** The variables that the first shell block exports. */
export function exportedVariables(shell: string): Record<string, string> {
  const lines = shell.matchAll(/^export (\w+)=(\S*)/gm)
  return Object.fromEntries([...lines].map(([, name = '', value = '']) => [name, value]))
}

type Settings = Pick<AgentRun, 'origin' | 'apiKey' | 'product' | 'model'>

export function guideVariables(name: AgentName, run: Settings): Record<string, string> {
  return exportedVariables(fillIn(guideBlock(readGuide(name), 'sh'), run))
}

export function guideFile(name: AgentName, language: string, run: Settings): string {
  return fillIn(guideBlock(readGuide(name), language), run)
}

function fillIn(text: string, { origin, apiKey, product, model }: Settings): string {
  const addresses = product === 'go' ? text : text.replaceAll('/zen/go', '/zen')
  return addresses.replaceAll(GUIDE_ORIGIN, origin).replaceAll(GUIDE_KEY, apiKey).replaceAll(GUIDE_MODEL, model)
}
