/** What every command shares: where it runs, how it answers, and how it fails. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Clock } from '../base/time.ts'
import type { Acting } from '../control/acting.ts'
import type { ControlPlane } from '../control/control-plane.ts'
import { databasePath, type RandomBytes } from '../control/instance.ts'
import { loadSchemaVersion } from '../store/backup-record.ts'
import type { Database } from '../store/database.ts'
import { type DatabasePlace, openDatabase } from '../store/open-database.ts'
import { openPostgres } from '../store/postgres.ts'

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
  /** Runs operations on a database with these settings; it lives on a floor above this one, too. */
  readonly operate: (env: Environment, database: Database, clock: Clock) => Promise<Operator>
}

/** The control plane, for whoever may run commands on the machine. */
export interface Operator {
  readonly control: ControlPlane
  /** In whose name changes go on record. */
  readonly acting: Acting
  /** By the operation's id. @throws AppError as the API would */
  run(id: string, input: OperationInput): Promise<unknown>
}

/** As the API would get it; checked by the operation. */
export interface OperationInput {
  readonly params: Readonly<Record<string, string>>
  readonly query: unknown
  readonly body: unknown
}

/** What a command answers: one document for programs, and the same for people. */
export interface Answer {
  readonly json: unknown
  readonly text: string
  /** 1 where the answer itself is bad news: differences, a bad file. Absent: 0. */
  readonly exitCode?: 0 | 1
}

/** An audit or an export of a large instance takes minutes. */
const STATEMENT_TIMEOUT_MS = 10 * 60_000

export interface GlobalOptions {
  readonly json?: true
  readonly dataDir?: string
  readonly databaseUrl?: string
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

/** A run of the command line: remembers the answer of the one command that ran. */
export interface Session {
  readonly line: CommandLine
  answer: Answer | undefined
}

export function globalOptions(command: Command): GlobalOptions {
  return command.optsWithGlobals<GlobalOptions>()
}

/** Runs `work` on the instance's database, beside servers if some run, and answers with what it returns, if anything. */
export async function answerFromDatabase(
  session: Session,
  command: Command,
  work: (db: Database) => Promise<Answer | undefined>,
): Promise<void> {
  const { line } = session
  const place = databasePlaceOf(line, globalOptions(command))
  // Opening would create an empty database, and the commands would then report an instance that nobody set up.
  if ('path' in place && !existsSync(place.path)) {
    throw new CommandError(
      'no_database',
      `there is no database at ${place.path}: run \`npm start\` first, or set --data-dir`,
    )
  }
  if ('url' in place) await requireInstance(place.url, line.clock())
  const db = await openDatabase(place, { nowMs: line.clock(), statementTimeoutMs: STATEMENT_TIMEOUT_MS })
  try {
    session.answer = await work(db)
  } finally {
    await db.close()
  }
}

/** The same for what the control plane does, with its configuration and secrets. */
export function answerAsOperator(
  session: Session,
  command: Command,
  work: (operator: Operator) => Promise<Answer | undefined>,
): Promise<void> {
  const { line } = session
  const env = environmentOf(line, globalOptions(command))
  return answerFromDatabase(session, command, async (db) => work(await line.operate(env, db, line.clock)))
}

/** A command that looks must not make an instance of a database that has none. */
async function requireInstance(url: string, nowMs: number): Promise<void> {
  const db = await openPostgres(url, { nowMs, isMigrated: true })
  try {
    if ((await loadSchemaVersion(db)) !== undefined) return
    throw new CommandError('no_database', 'the database holds no instance of Zendo: run `npm start` first')
  } finally {
    await db.close()
  }
}

/** PostgreSQL where an address is set, as for the server; else the file in the data directory. */
export function databasePlaceOf(line: CommandLine, options: GlobalOptions): DatabasePlace {
  const url = options.databaseUrl ?? (line.env.DATABASE_URL || undefined)
  return url === undefined ? { path: databasePath(dataDirOf(line, options)) } : { url }
}

/** The environment with what the global options say instead. */
export function environmentOf(line: CommandLine, options: GlobalOptions): Environment {
  const { databaseUrl, config } = options
  return {
    ...line.env,
    ZENDO_DATA_DIR: dataDirOf(line, options),
    ...(databaseUrl !== undefined && { DATABASE_URL: databaseUrl }),
    ...(config !== undefined && { ZENDO_CONFIG: resolve(line.cwd, config) }),
  }
}

export function dataDirOf(line: CommandLine, options: GlobalOptions): string {
  return resolve(line.cwd, options.dataDir ?? (line.env.ZENDO_DATA_DIR || 'data'))
}
