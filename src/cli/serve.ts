/** `zendo serve`: starts the server, as `npm start` does. */
import type { Command } from 'commander'
import { environmentOf, globalOptions, type Session } from './command-line.ts'
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
    .action(async ({ port, host }: ServeOptions, command: Command) => {
      const { line } = session
      // Options stand above the environment, and reach the server as what they replace.
      await line.serve({
        ...environmentOf(line, globalOptions(command)),
        ...(port !== undefined && { ZENDO_PORT: String(port) }),
        ...(host !== undefined && { ZENDO_HOST: host }),
      })
    })
}
