/** The spills of a data directory: ends of requests that its database had not taken when they were written. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { EndCommand } from '../ledger/command.ts'
import { readSpill } from '../ledger/spill.ts'

const NAME = /^spill-\d+\.bin$/

export function listSpillFiles(dataDir: string): string[] {
  if (!existsSync(dataDir)) return []
  return readdirSync(dataDir)
    .filter((name) => NAME.test(name))
    .sort()
    .map((name) => join(dataDir, name))
}

/** What they hold, oldest first within a file. @throws Error when one cannot be read. */
export function readSpills(dataDir: string): EndCommand[] {
  return listSpillFiles(dataDir).flatMap(readSpill)
}
