/** `docs/reference/commands.md` says what the command line does: commands, options and answers, compared both ways. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import type { Command } from 'commander'
import { NO_USAGE } from '../src/base/usage.ts'
import type { Session } from '../src/cli/command-line.ts'
import { buildProgram } from '../src/cli/main.ts'
import { operationOf } from '../src/cli/operation.ts'
import { createTestCommandLine } from '../src/cli/test-command-line.ts'
import { endSample, holdSample } from '../src/control/test-instance.ts'
import { COMMANDS_PAGE, commandsPage } from '../tools/command-reference.ts'

const PAGE = readFileSync(new URL('../docs/reference/commands.md', import.meta.url), 'utf8')

interface Section {
  /** `key revoke <key>` */
  readonly usage: string
  readonly options: readonly string[]
  readonly jsonKeys: readonly string[] | null
}

const sections: readonly Section[] = PAGE.split(/^## /m)
  .slice(1)
  .map((text) => ({
    usage: /^`zendo ([^`]+)`/.exec(text)?.[1] ?? '',
    options: optionsOf(text),
    jsonKeys: keysOf(/^JSON: (.*?)(?:;|$)/m.exec(text)?.[1]),
  }))

function optionsOf(text: string): string[] {
  return [...text.matchAll(/^\| `(-[^`]+)` \|/gm)].map((match) => (match[1] ?? '').replaceAll('\\|', '|'))
}

function keysOf(line: string | undefined): string[] | null {
  return line === undefined ? null : [...line.matchAll(/`(\w+)`/g)].map((match) => match[1] ?? '')
}

const program = buildProgram({} as Session)

/** Every command made by hand that does something, by its words: groups only hold others. */
function listCommands(command: Command, path: readonly string[] = []): { usage: string; command: Command }[] {
  if (operationOf(command)) return []
  const acts = command.commands.length === 0 || command.options.length > 0
  const args = command.registeredArguments.map((arg) => (arg.required ? `<${arg.name()}>` : `[${arg.name()}]`))
  const self = acts && path.length > 0 ? [{ usage: [...path, ...args].join(' '), command }] : []
  return [...self, ...command.commands.flatMap((child) => listCommands(child, [...path, child.name()]))]
}

/** What to type for the JSON of each command; the seat or key is filled in, and the request is made. */
const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  'backup <file>': ['backup', 'backup.sqlite'],
  'restore <file>': ['restore', 'backup.sqlite', '--data-dir', 'restored'],
  migrate: ['migrate'],
  'key create': ['key', 'create'],
  'key list': ['key', 'list'],
  'key revoke <key>': ['key', 'revoke', 'KEY'],
  'credit grant [dollars]': ['credit', 'grant', '1'],
  'credit refund <request>': ['credit', 'refund', 'REQUEST', '--note', 'broken answer'],
  'credit list': ['credit', 'list'],
  'cap set': ['cap', 'set', '--key', 'KEY', '--day', '1'],
  'cap list': ['cap', 'list'],
  'cap remove': ['cap', 'remove', '--key', 'KEY', '--day'],
  'workspace list': ['workspace', 'list'],
  'workspace show': ['workspace', 'show'],
  'workspace set': ['workspace', 'set', '--time-zone', 'Europe/Berlin'],
  'plan list': ['plan', 'list'],
  'plan seat': ['plan', 'seat'],
  'plan seat list': ['plan', 'seat', 'list'],
  'plan seat end <seat>': ['plan', 'seat', 'end', 'SEAT'],
  usage: ['usage'],
  models: ['models'],
  audit: ['audit'],
  'config check [file]': ['config', 'check'],
  'setup-link': ['setup-link'],
  'secrets rewrap': ['secrets', 'rewrap'],
  'audit-log verify': ['audit-log', 'verify'],
}

/** One runs until it is stopped, the other writes its rows as they come. */
const WITHOUT_ANSWER = ['serve', 'usage export', 'audit-log export']

async function answerTo(t: TestContext, usage: string): Promise<Record<string, unknown>> {
  const command = await createTestCommandLine(t)
  if (usage === 'plan seat add') {
    await command.run('plan', 'seat', 'end', command.setup.seatId)
    return await command.json('plan', 'seat', 'add')
  }
  if (usage === 'credit refund <request>') {
    const sample = { id: 'REQUEST', funding: 'balance' } as const
    await holdSample(command, sample)
    await endSample(command, sample, { usage: { ...NO_USAGE, output: 1000 } })
  }
  if (usage === 'restore <file>') await command.json('backup', 'backup.sqlite')
  const words = EXAMPLES[usage]
  if (words === undefined) throw new Error(`there is no example of ${usage}`)
  const filled: Record<string, string> = { KEY: command.setup.keyId, SEAT: command.setup.seatId }
  return await command.json(...words.map((word) => filled[word] ?? word))
}

it('operation-commands.md is as the commands are', () => {
  assert.equal(readFileSync(COMMANDS_PAGE, 'utf8'), commandsPage(), 'run npm run docs')
})

describe('commands.md', () => {
  it('has each command with its arguments, and no other', () => {
    const defined = listCommands(program).map(({ usage }) => usage)
    assert.deepEqual(sections.map(({ usage }) => usage).sort(), defined.sort())
  })

  it('has the options that every command takes, and no other', () => {
    const documented = optionsOf(PAGE.split(/^## /m)[0] ?? '')
    assert.deepEqual(documented, [...program.options.map(({ flags }) => flags), '-h, --help'])
  })

  for (const { usage, command } of listCommands(program)) {
    it(`has the options of ${usage}, and no other`, () => {
      const section = sections.find((candidate) => candidate.usage === usage)
      assert.deepEqual(
        section?.options,
        command.options.map(({ flags }) => flags),
      )
    })
  }

  for (const { usage, jsonKeys } of sections.filter((section) => !WITHOUT_ANSWER.includes(section.usage))) {
    it(`has what ${usage} answers with --json`, async (t) => {
      assert.deepEqual(jsonKeys, Object.keys(await answerTo(t, usage)))
    })
  }
})
