/** What every command shares: where it runs, how it answers, and how it fails. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Clock } from '../base/time.ts'
import { databasePath, type RandomBytes } from '../control/instance.ts'
import { type Database, openDatabase } from '../store/database.ts'
import { waitWhileBusy } from '../store/transaction.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** The process as the commands see it, so that tests can be one. */
export interface CommandLine {
  readonly env: Environment
  readonly cwd: string
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly stdout: (text: string) => void
  readonly stderr: (text: string) => void
  /** Starts the server with these settings and returns once it listens; it lives on a floor above this one. */
  readonly serve: (env: Environment) => Promise<void>
}

/** What a command answers: one document for programs, and the same for people. */
export interface Answer {
  readonly json: unknown
  readonly text: string
  /** 1 where the answer itself is bad news: differences, a bad file. Absent: 0. */
  readonly exitCode?: 0 | 1
}

export interface GlobalOptions {
  readonly json?: true
  readonly dataDir?: string
  readonly config?: string
}

/** An expected failure of a command itself; `usage` ends with exit code 2, the others with 1. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly code: 'usage' | 'no_database' | 'not_found'

  constructor(code: CommandError['code'], message: string) {
    super(message)
    this.code = code
  }
}

/** Longer waits are `waitWhileBusy`'s, which finds the gaps of a busy server sooner than SQLite does. */
const BUSY_TIMEOUT_MS = 20

/** A run of the command line: remembers the answer of the one command that ran. */
export interface Session {
  readonly line: CommandLine
  answer: Answer | undefined
}

export function globalOptions(command: Command): GlobalOptions {
  return command.optsWithGlobals<GlobalOptions>()
}

/** Runs `work` on the instance's database, beside a server if one runs, and answers with what it returns. */
export function answerFromDatabase(session: Session, command: Command, work: (db: Database) => Answer): void {
  const { line } = session
  const path = databasePath(dataDirOf(line, globalOptions(command)))
  // Opening would create an empty database, and the commands would then report an instance that nobody set up.
  if (!existsSync(path)) {
    throw new CommandError('no_database', `there is no database at ${path}: run \`npm start\` first, or set --data-dir`)
  }
  const db = waitWhileBusy(() => openDatabase(path, { nowMs: line.clock(), busyTimeoutMs: BUSY_TIMEOUT_MS }))
  try {
    session.answer = work(db)
  } finally {
    db.close()
  }
}

export function dataDirOf(line: CommandLine, options: GlobalOptions): string {
  return resolve(line.cwd, options.dataDir ?? (line.env.ZENDO_DATA_DIR || 'data'))
}
