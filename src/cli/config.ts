/** `zendo config`: checks the configuration file before the server reads it. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { listOfferedModels } from '../control/model-list.ts'
import { checkCatalog, configPathFor } from './catalog.ts'
import { type Answer, type CommandLine, globalOptions, type Session } from './command-line.ts'
import { plural } from './table.ts'

export function addConfigCommands(program: Command, session: Session): void {
  const config = program.command('config').description('the configuration file')
  config
    .command('check')
    .description('read a zendo.jsonc and its secrets as the server would; exit code 1 with problems')
    .argument('[file]', 'the file; else --config, ZENDO_CONFIG or ./zendo.jsonc')
    .action(async (file: string | undefined, _options: unknown, command: Command) => {
      const { line } = session
      const path = file === undefined ? configPathFor(line, globalOptions(command)) : resolve(line.cwd, file)
      session.answer = await check(line, path)
    })
}

async function check(line: CommandLine, configPath: string | null): Promise<Answer> {
  const { file, loaded, text } = await checkCatalog(line, configPath)
  if (!loaded.ok) return { json: { ok: false, file, problems: loaded.problems }, text, exitCode: 1 }
  const { catalog, configPath: found } = loaded.snapshot
  const offered = listOfferedModels(catalog).length
  const summary = `${plural(catalog.providers.size, 'provider')}, ${plural(offered, 'model')} on offer`
  return {
    json: { ok: true, file: found, problems: [], providers: [...catalog.providers.keys()], offered },
    text: found === null ? `There is no ${file}. Built in: ${summary}.` : `${found} is good: ${summary}.`,
  }
}
