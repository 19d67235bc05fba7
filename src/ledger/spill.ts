/**
 * Ends of requests that the database could not take in time, on a disk of their own: appended, flushed, and done later.
 *
 * The file has its full size from the start, so that a full disk cannot refuse it. A record is its length, the run it
 * belongs to and a checksum, then JSON. Clearing starts a new run at the beginning; what an earlier run left behind
 * ends the reading, since its number is another.
 */
import { closeSync, copyFileSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { createMutex } from '../store/mutex.ts'
import type { EndCommand } from './command.ts'
import { parseEnd, writeEnd } from './spill-record.ts'

export interface Spill {
  /** Resolves once the end is on disk. @throws Error when it cannot be written, or the file is full. */
  append(command: EndCommand): Promise<void>
  /** Forgets what was appended: all of it is in the database. Where that fails, it is only read once more. */
  clear(): Promise<void>
  close(): Promise<void>
}

const SIZE_BYTES = 4 * 1024 * 1024
const HEADER_BYTES = 12

/** Opens the file, made and filled if need be. What is in it must have been read and done before. */
export async function openSpill(path: string): Promise<Spill> {
  const earlier = readRecords(path)
  const run = (earlier.run + 1) >>> 0 || 1
  allocate(path)
  const file = await open(path, 'r+')
  return createSpill(file, run)
}

function createSpill(file: FileHandle, firstRun: number): Spill {
  const inTurn = createMutex()
  let run = firstRun
  let end = 0
  return {
    append: (command) =>
      inTurn(async () => {
        const record = recordOf(run, Buffer.from(writeEnd(command)))
        if (end + record.length > SIZE_BYTES) throw new Error('the spill is full')
        await file.write(record, 0, record.length, end)
        await file.datasync()
        end += record.length
      }),
    clear: () =>
      inTurn(async () => {
        if (end === 0) return
        await file.write(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0)
        end = 0
        run = (run + 1) >>> 0 || 1
      }).catch(() => undefined),
    close: () => inTurn(() => file.close()),
  }
}

/** Keeps a copy of a file with records that cannot be read, beside it. Returns how many there are. */
export function keepDamaged(path: string): number {
  const { damaged } = readRecords(path)
  if (damaged > 0) copyFileSync(path, `${path}.damaged`)
  return damaged
}

/** The ends that a process left behind, oldest first. */
export function readSpill(path: string): EndCommand[] {
  return readRecords(path).texts.map(parseEnd)
}

function recordOf(run: number, body: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32BE(body.length, 0)
  header.writeUInt32BE(run, 4)
  header.writeUInt32BE(crc32(body), 8)
  return Buffer.concat([header, body])
}

function readRecords(path: string): { run: number; texts: string[]; damaged: number } {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { run: 0, texts: [], damaged: 0 }
    throw error
  }
  const texts: string[] = []
  let run = 0
  let damaged = 0
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const length = bytes.readUInt32BE(at)
    const body = bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length)
    const ownRun = bytes.readUInt32BE(at + 4)
    if (length === 0 || body.length < length || (run !== 0 && ownRun !== run)) break
    // One that is damaged does not take those after it along; of what a run left behind the number is another.
    if (crc32(body) === bytes.readUInt32BE(at + 8)) texts.push(body.toString())
    else damaged++
    run = ownRun
    at += HEADER_BYTES + length
  }
  return { run, texts, damaged }
}

/** Gives the file its blocks now, while there is room, and starts it empty. */
function allocate(path: string): void {
  const descriptor = openSync(path, 'a+', 0o600)
  closeSync(descriptor)
  const file = openSync(path, 'r+')
  try {
    writeSync(file, Buffer.alloc(SIZE_BYTES), 0, SIZE_BYTES, 0)
    fdatasyncSync(file)
  } finally {
    closeSync(file)
  }
}
