/**
 * The catalogue and its file, as the commands read them. What reads the file is imported when it is needed: its schema
 * and the built-in entries would double the time that every other command takes to start.
 */
import { resolve } from 'node:path'
import { AppError } from '../base/errors.ts'
import type { LoadedCatalog } from '../control/catalog-source.ts'
import type { Catalog } from '../domain/catalog.ts'
import type { CommandLine, GlobalOptions } from './command-line.ts'

/** The file that was asked for; null for `./zendo.jsonc`, which may be absent. */
export function configPathFor(line: CommandLine, options: GlobalOptions): string | null {
  const asked = options.config ?? (line.env.ZENDO_CONFIG || undefined)
  return asked === undefined ? null : resolve(line.cwd, asked)
}

/** Without credentials, which commands do not need. @throws AppError invalid_request with every problem of the file. */
export async function loadCommandCatalog(line: CommandLine, options: GlobalOptions): Promise<Catalog> {
  const { loadOfflineCatalog } = await import('../control/offline-catalog.ts')
  const loaded = await loadOfflineCatalog(configPathFor(line, options))
  if (loaded.ok) return loaded.catalog
  const { formatProblems } = await import('../domain/config-parse.ts')
  throw new AppError('invalid_request', formatProblems(loaded.problems))
}

/** As the server would load it, credentials included; `text` is its problems for people. */
export async function checkCatalog(
  line: CommandLine,
  configPath: string | null,
): Promise<{ file: string; loaded: LoadedCatalog; text: string }> {
  const { configPathOf, loadCatalog } = await import('../control/catalog-source.ts')
  const { formatProblems } = await import('../domain/config-parse.ts')
  const options = { configPath, env: line.env, simulatedBaseUrl: 'http://simulated.invalid/v1' }
  const loaded = await loadCatalog(options)
  return { file: configPathOf(options), loaded, text: loaded.ok ? '' : formatProblems(loaded.problems) }
}
