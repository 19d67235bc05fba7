/** The day of a team as the guide tells it: each block is run in a shell, and prints what the guide says. */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { promisify } from 'node:util'
import { startGateway } from '../support/gateway.ts'
import { startOwnKeyProvider } from './own-key-provider.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const OWN_KEY = 'acme-secret-of-the-team-0123456789'
const MARK = '@@ block'

interface Block {
  readonly language: string
  readonly text: string
}

function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/```(\w+)\n(.*?)```/gs)].map(([, language = '', text = '']) => ({ language, text }))
}

/** Whether a text is as the guide has it: `…` is anything, across lines where it stands alone. */
function isAs(expected: string, found: string): boolean {
  const source = expected
    .trim()
    .split('…')
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('[^]*')
  return new RegExp(`^${source}$`).test(found.trim())
}

const missing = ['bash', 'curl'].filter((program) => spawnSync(program, ['--version']).error)
const skip = missing.length > 0 ? `${missing.join(' and ')} not installed` : false

it('a day of a team goes as the guide says', { skip }, async (t) => {
  const guide = await readFile(join(ROOT, 'docs', 'guides', 'team.md'), 'utf8')
  const blocks = blocksOf(guide)
  const provider = await startOwnKeyProvider(OWN_KEY)
  t.after(() => provider.close())
  const config = JSON.parse(blocks.find(({ language }) => language === 'json')?.text ?? '')
  config.providers.acme.baseUrl = provider.baseUrl
  const gateway = await startGateway({ config })
  t.after(() => gateway.remove())
  const [, token = ''] = /\/console\/setup#(\S+)/.exec(gateway.output()) ?? []
  const place = await mkdtemp(join(tmpdir(), 'zendo-team-'))
  t.after(() => rm(place, { recursive: true, force: true }))

  const shell = blocks.filter(({ language }) => language === 'sh')
  const script = shell
    .map(({ text }, n) => `echo '${MARK} ${n}'\n${text}`)
    .join('\n')
    .replace('ZENDO=http://127.0.0.1:7070', `ZENDO=${gateway.baseUrl}`)
    .replace('SETUP_TOKEN=…', `SETUP_TOKEN=${token}`)
  await writeFile(
    join(place, 'day.sh'),
    `set -eu\nACME_KEY=${OWN_KEY}\nnpx() { shift; '${process.execPath}' '${join(ROOT, 'bin', 'zendo.js')}' "$@"; }\n${script}`,
  )
  const env = { ...process.env, ZENDO_DATA_DIR: gateway.dataDir, ZENDO_CONFIG: join(gateway.dataDir, 'zendo.jsonc') }
  const { stdout } = await promisify(execFile)('bash', ['day.sh'], { cwd: place, env, timeout: 60_000 })
  const printed = stdout.split(new RegExp(`^${MARK} \\d+\\n`, 'm')).slice(1)
  assert.equal(printed.length, shell.length)

  let checked = 0
  blocks.forEach((block, index) => {
    const before = blocks[index - 1]
    if (block.language !== 'text' || !before) return
    const found = printed[shell.indexOf(before)] ?? ''
    assert.ok(isAs(block.text, found), `the guide says\n${block.text}\nand the shell printed\n${found}`)
    checked++
  })
  assert.ok(checked >= 9, `${checked} blocks were checked`)
  assert.ok(provider.served() > 0)
  assert.ok(!gateway.output().includes(OWN_KEY))
})

it('what the guide says is compared for real', () => {
  assert.ok(isAs('a\n…\nb', 'a\nx\ny\nb'))
  assert.ok(!isAs('a\nb', 'a\nx\nb'))
  assert.ok(!isAs('cap_reached', 'plan_limit'))
})
