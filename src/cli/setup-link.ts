/** `zendo setup-link`: the way in for whoever runs the machine, when no operator can sign in. */
import type { Command } from 'commander'
import { formatInstant } from '../base/time.ts'
import { makeSetupLink } from '../control/sign-in/setup-link.ts'
import { answerAsOperator, type Session } from './command-line.ts'
import { formatMinute } from './table.ts'

export function addSetupLinkCommand(program: Command, session: Session): void {
  program
    .command('setup-link')
    .description('make a one-time link that makes a new operator, or lets one in who cannot sign in any more')
    .option('--email <address>', 'of the operator whom it lets in; without it, it makes a new one')
    .action(async ({ email }: { readonly email?: string }, command: Command) => {
      await answerAsOperator(session, command, async ({ control, acting }) => {
        const { url, expiresAtMs } = await makeSetupLink(control, acting, { email: email ?? null })
        return {
          json: { url, expires_at: formatInstant(expiresAtMs) },
          text: `${url}\n\nIt works once, until ${formatMinute(expiresAtMs)}. Earlier links of this kind are dead.`,
        }
      })
    })
}
