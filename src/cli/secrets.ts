/** `zendo secrets`: what is sealed at rest, and under which key. */
import type { Command } from 'commander'
import { rewrapSecrets } from '../control/key-encryption.ts'
import { answerAsOperator, type Session } from './command-line.ts'
import { plural } from './table.ts'

export function addSecretsCommands(program: Command, session: Session): void {
  const secrets = program.command('secrets').description('what is sealed at rest, and under which key')
  secrets
    .command('rewrap')
    .description(
      'seal everything under the newest master key, while servers run; exit code 1 when something cannot be read',
    )
    .option('--adopt', 'also where the instance is under another master key, which is lost for ever')
    .action(async (options: { readonly adopt?: true }, command: Command) => {
      await answerAsOperator(session, command, async ({ control, acting }) => {
        const { rewrapped, unreadable } = await rewrapSecrets(control.database, control.sealer, acting, options)
        const lost = unreadable.map((id) => `\n${id} cannot be opened with any key that is set; it stays as it is.`)
        return {
          json: { key: control.sealer.keyId, rewrapped, unreadable },
          text: `${plural(rewrapped, 'secret')} sealed anew under key ${control.sealer.keyId}.${lost.join('')}`,
          exitCode: unreadable.length > 0 ? 1 : 0,
        }
      })
    })
}
