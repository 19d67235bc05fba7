/** `zendo serve`: starts the server, as `npm start` does. */
import type { Command } from 'commander'
import { type Environment, type GlobalOptions, globalOptions, type Session } from './command-line.ts'
import { parsePort } from './options.ts'

interface ServeOptions {
  readonly port?: number
  readonly host?: string
}

export function addServeCommand(program: Command, session: Session): void {
  program
    .command('serve')
    .description('start the server; what is not said here comes from the ZENDO_* settings')
    .option('--port <port>', 'where to listen; 7070 by default', parsePort)
    .option('--host <address>', 'where to listen; 127.0.0.1 by default')
    .action(async (options: ServeOptions, command: Command) => {
      const { line } = session
      await line.serve({ ...line.env, ...environmentOf({ ...options, ...globalOptions(command) }) })
    })
}

/** Options stand above the environment, and reach the server as what they replace. */
function environmentOf(options: ServeOptions & GlobalOptions): Environment {
  return {
    ...(options.port !== undefined && { ZENDO_PORT: String(options.port) }),
    ...(options.host !== undefined && { ZENDO_HOST: options.host }),
    ...(options.dataDir !== undefined && { ZENDO_DATA_DIR: options.dataDir }),
    ...(options.databaseUrl !== undefined && { DATABASE_URL: options.databaseUrl }),
    ...(options.config !== undefined && { ZENDO_CONFIG: options.config }),
  }
}
