/** Writes `docs/reference/operation-commands.md` from the commands themselves: `node tools/command-reference.ts`. */
import { writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { Session } from '../src/cli/command-line.ts'
import { buildProgram } from '../src/cli/main.ts'
import { operationOf } from '../src/cli/operation.ts'

export const COMMANDS_PAGE = new URL('../docs/reference/operation-commands.md', import.meta.url)

const OPENING = `# Commands of the control plane

Each is an operation of the [API](api.md), run on the database by whoever may run commands on the machine: with the
power of an operator, on record as \`shell\`. They take the options that every command takes ([commands.md](commands.md)),
print for people, or with \`--json\` the operation's reply, and end with 1 when the operation is refused. In a list, values are
separated by commas; \`none\` is null. A secret is named as \`env:NAME\`. Links are made for \`ZENDO_PUBLIC_URL\`, else for
\`ZENDO_HOST\` and \`ZENDO_PORT\`: set what the server has. This page is made by \`npm run docs\`; a test
compares it with the code.
`

/** The page as it must be. */
export function commandsPage(): string {
  const commands = listMade(buildProgram({} as Session), [])
  return [OPENING, ...commands.map(sectionOf)].join('\n')
}

interface Made {
  readonly words: readonly string[]
  readonly command: Command
}

function listMade(command: Command, words: readonly string[]): Made[] {
  const self = operationOf(command) ? [{ words, command }] : []
  return [...self, ...command.commands.flatMap((child) => listMade(child, [...words, child.name()]))]
}

function sectionOf({ words, command }: Made): string {
  const shape = operationOf(command)
  const rows = command.options.map(({ flags, description, mandatory }) => {
    const cells = [`\`${flags.replaceAll('|', '\\|')}\``, description.replaceAll('|', '\\|'), mandatory ? 'yes' : '']
    return `| ${cells.join(' | ')} |`
  })
  const table = rows.length === 0 ? [] : ['', '| option | meaning | needed |', '|---|---|---|', ...rows]
  return [`## \`zendo ${words.join(' ')}\``, '', shape?.summary ?? '', ...table, ''].join('\n')
}

if (import.meta.main) writeFileSync(COMMANDS_PAGE, commandsPage())
