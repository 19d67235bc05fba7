/** Runs the offline script of the package on the text of an export, as a user would. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const SCRIPT = fileURLToPath(new URL('../../bin/zendo-recompute.js', import.meta.url))

export interface Recomputed {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

export interface RecomputedTotals {
  readonly requests: number
  readonly settled: number
  readonly released: number
  readonly held: number
  readonly estimated: number
  readonly tokens: Readonly<Record<string, string>>
  readonly charged_nano: { readonly balance: string; readonly plan: string }
  readonly counted_nano: Readonly<Record<string, string>>
  readonly written_off_nano: string
  readonly differences: number
  readonly shown: readonly { readonly subject: string; readonly what: string }[]
}

/** `prices`: the second file that CSV needs. */
export async function recompute(text: string, prices?: string, ...more: string[]): Promise<Recomputed> {
  const directory = mkdtempSync(join(tmpdir(), 'zendo-export-'))
  try {
    const file = join(directory, 'export')
    writeFileSync(file, text)
    const pricesFile = join(directory, 'prices.csv')
    if (prices !== undefined) writeFileSync(pricesFile, prices)
    return await runScript([file, ...(prices === undefined ? [] : ['--prices', pricesFile]), ...more])
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

export function runScript(args: readonly string[], runtime = process.execPath): Promise<Recomputed> {
  return new Promise((resolve) => {
    execFile(runtime, [SCRIPT, ...args], { maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      resolve({ exitCode: error === null ? 0 : Number(error.code), stdout, stderr })
    })
  })
}
