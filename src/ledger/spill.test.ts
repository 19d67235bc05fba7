import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import type { EndCommand } from './command.ts'
import { openSpill, readSpill } from './spill.ts'
import { endOf, NOON_MS } from './test-ledger.ts'

function placeFor(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'zendo-spill-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return join(directory, 'spill.bin')
}

function endNo(n: number): EndCommand {
  const holding = { requestId: `req_${n}`, workspaceId: 'wrk_a', accountId: 'acc_a', funding: 'balance' as const }
  return endOf({ ...holding, weightPpm: 333_333n, meters: ['m'] }, 10n ** 15n + BigInt(n), { endedAtMs: NOON_MS + n })
}

async function fill(path: string, count: number): Promise<EndCommand[]> {
  const ends = Array.from({ length: count }, (_, n) => endNo(n))
  const spill = await openSpill(path)
  await Promise.all(ends.map((end) => spill.append(end)))
  await spill.close()
  return ends
}

describe('the spill', () => {
  it('gives back what was appended, in order and to the nano-dollar', async (t) => {
    const path = placeFor(t)
    const ends = await fill(path, 5)
    assert.deepEqual(readSpill(path), ends)
    assert.deepEqual(readSpill(`${path}-of-nobody`), [])
  })

  it('leaves out a damaged record, and keeps those after it where its length can still be read', async (t) => {
    const path = placeFor(t)
    const ends = await fill(path, 3)
    const sound = readFileSync(path)
    const length = sound.readUInt32BE(0) + 12
    for (let at = length; at < 2 * length; at += 7) {
      const damaged = Buffer.from(sound)
      damaged[at] = (damaged[at] ?? 0) ^ 0x5a
      writeFileSync(path, damaged)
      const isHead = at < length + 12
      const left = readSpill(path)
      if (!isHead || left.length > 1) assert.deepEqual(left, [ends[0], ends[2]], `byte ${at}`)
      else assert.deepEqual(left, ends.slice(0, 1), `byte ${at}`)
    }
  })

  it('ends before a record that was only begun', async (t) => {
    const path = placeFor(t)
    const ends = await fill(path, 2)
    const sound = readFileSync(path)
    const length = sound.readUInt32BE(0) + 12
    for (let kept = length; kept < 2 * length; kept += 11) {
      writeFileSync(path, Buffer.concat([sound.subarray(0, kept), Buffer.alloc(sound.length - kept)]))
      assert.deepEqual(readSpill(path), ends.slice(0, 1), `${kept} bytes`)
      writeFileSync(path, sound.subarray(0, kept))
      assert.deepEqual(readSpill(path), ends.slice(0, 1), `${kept} bytes of a shorter file`)
    }
  })

  it('forgets what was cleared, also where a shorter run lies over a longer one', async (t) => {
    const path = placeFor(t)
    await fill(path, 4)
    const spill = await openSpill(path)
    assert.deepEqual(readSpill(path), [])
    for (let n = 0; n < 4; n++) await spill.append(endNo(n))
    await spill.clear()
    assert.deepEqual(readSpill(path), [])
    await spill.append(endNo(9))
    assert.deepEqual(readSpill(path), [endNo(9)])
    await spill.close()
  })

  it('has its blocks from the start, and refuses what they do not take', async (t) => {
    const path = placeFor(t)
    const spill = await openSpill(path)
    const size = readFileSync(path).length
    const long = endOf(endNo(0).holding, 1n, { warnings: 'w'.repeat(size / 3) })
    await spill.append(long)
    await spill.append(long)
    await assert.rejects(spill.append(long), /full/)
    assert.equal(readFileSync(path).length, size)
    assert.equal(readSpill(path).length, 2)
    await spill.close()
  })
})
