/** The command line: which commands there are, how they answer, and with which exit code. */
import { Command, CommanderError } from 'commander'
import { AppError } from '../base/errors.ts'
import { addAuditCommand } from './audit.ts'
import { addAuditLogCommands } from './audit-log.ts'
import { addBackupCommand } from './backup.ts'
import { addCapCommands } from './cap.ts'
import { CommandError, type CommandLine, type Session } from './command-line.ts'
import { addConfigCommands } from './config.ts'
import { addCreditCommands } from './credit.ts'
import { addKeyCommands } from './key.ts'
import { addMigrateCommand } from './migrate.ts'
import { addModelsCommand } from './models.ts'
import { addOperationCommands } from './operation.ts'
import { addPlanCommands } from './plan.ts'
import { addRestoreCommand } from './restore.ts'
import { addSecretsCommands } from './secrets.ts'
import { addServeCommand } from './serve.ts'
import { addSetupLinkCommand } from './setup-link.ts'
import { addUsageCommand } from './usage.ts'
import { addWorkspaceCommands } from './workspace.ts'

/** 0: done. 1: it failed, or found what it was looking for. 2: the command itself was not understood. */
export type ExitCode = 0 | 1 | 2

/** Runs one command and prints its answer: with `--json` one document on stdout, and nothing else. */
export async function runCommandLine(args: readonly string[], line: CommandLine): Promise<ExitCode> {
  const session: Session = { line, answer: undefined }
  const json = args.includes('--json')
  let usageText = ''
  const program = buildProgram(session).configureOutput({
    writeOut: line.stdout,
    writeErr: (text) => {
      usageText += text
    },
  })
  shareSettings(program)
  try {
    await program.parseAsync([...args], { from: 'user' })
  } catch (error) {
    return reportFailure(line, json, error, usageText)
  }
  const { answer } = session
  if (answer) line.stdout(`${json ? JSON.stringify(answer.json) : answer.text}\n`)
  return answer?.exitCode ?? 0
}

/** The whole tree of commands; also what the documentation is checked against. */
export function buildProgram(session: Session): Command {
  const program = new Command('zendo')
    .description('Zendo, a gateway for coding agents')
    .option('--json', 'answer with one JSON document')
    .option('--data-dir <directory>', 'where the instance keeps its data; else ZENDO_DATA_DIR or ./data')
    .option('--database-url <url>', 'the PostgreSQL database; else DATABASE_URL, or a file in the data directory')
    .option('--config <file>', 'the configuration file; else ZENDO_CONFIG or ./zendo.jsonc')
  addServeCommand(program, session)
  addKeyCommands(program, session)
  addCreditCommands(program, session)
  addPlanCommands(program, session)
  addCapCommands(program, session)
  addWorkspaceCommands(program, session)
  addUsageCommand(program, session)
  addModelsCommand(program, session)
  addAuditCommand(program, session)
  addConfigCommands(program, session)
  addBackupCommand(program, session)
  addRestoreCommand(program, session)
  addMigrateCommand(program, session)
  addSetupLinkCommand(program, session)
  addSecretsCommands(program, session)
  addAuditLogCommands(program, session)
  addOperationCommands(program, session)
  return program
}

/** Every command throws instead of ending the process, writes where the program does, and shows the shared options. */
function shareSettings(command: Command): void {
  command.exitOverride().configureHelp({ showGlobalOptions: true })
  for (const child of command.commands) {
    child.copyInheritedSettings(command)
    shareSettings(child)
  }
}

function reportFailure(line: CommandLine, json: boolean, error: unknown, usageText: string): ExitCode {
  if (error instanceof CommanderError && error.exitCode === 0) return 0
  const { code, message, exitCode } = classify(error, usageText)
  line.stderr(json ? `${JSON.stringify({ error: { code, message } })}\n` : `${message}\n`)
  return exitCode
}

function classify(error: unknown, usageText: string): { code: string; message: string; exitCode: ExitCode } {
  if (error instanceof CommanderError) {
    const message = usageText.trim().replace(/^error: /, '')
    return { code: 'usage', message, exitCode: 2 }
  }
  if (error instanceof CommandError) {
    return { code: error.code, message: error.message, exitCode: error.code === 'usage' ? 2 : 1 }
  }
  if (error instanceof AppError) return { code: error.code, message: error.message, exitCode: 1 }
  // A fault of the program: the operator, who alone reads this, needs the whole of it.
  return {
    code: 'internal',
    message: error instanceof Error ? (error.stack ?? error.message) : String(error),
    exitCode: 1,
  }
}
