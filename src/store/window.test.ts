import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { nanoUsd } from '../base/money.ts'
import { type Database, openDatabase } from './database.ts'
import { holdWindow, listOpenWindows, openWindow, settleWindows } from './window.ts'
import { insertMember, insertSeat, insertWorkspace } from './workspace.ts'

let directory: string
let db: Database

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'zendo-window-'))
  db = openDatabase(join(directory, 'zendo.db'), { nowMs: 1 })
  insertWorkspace(db, { id: 'w', name: 'w' }, 1)
  insertMember(db, { id: 'm', workspaceId: 'w', name: 'm', role: 'admin' }, 1)
  insertSeat(db, { id: 's', workspaceId: 'w', memberId: 'm', planId: 'go', useBalance: false, startedAtMs: 1 })
})

afterEach(() => {
  db.close()
  rmSync(directory, { recursive: true })
})

function open(startsAtMs: number, endsAtMs: number): string {
  const bounds = { startsAtMs, endsAtMs }
  return openWindow(db, { seatId: 's', name: '5 hour', kind: 'session', bounds, limit: nanoUsd(10) })
}

describe('plan windows', () => {
  it('opening the same window twice makes one', () => {
    assert.equal(open(100, 200), open(100, 200))
    assert.equal(listOpenWindows(db, 's', 150).length, 1)
  })

  it('a window ends at its end, to the millisecond', () => {
    open(100, 200)
    assert.equal(listOpenWindows(db, 's', 199).length, 1)
    assert.equal(listOpenWindows(db, 's', 200).length, 0)
  })

  it('a clock that is set back finds the window that is open, and no second limit', () => {
    const id = open(100, 200)
    assert.deepEqual(
      listOpenWindows(db, 's', 50).map((window) => window.id),
      [id],
    )
  })

  it('holds up to the limit in force and not a nano-dollar more; settling turns the hold into use', () => {
    const id = open(100, 200)
    assert.equal(holdWindow(db, id, 'r1', nanoUsd(7), nanoUsd(10)), true)
    assert.equal(holdWindow(db, id, 'r2', nanoUsd(4), nanoUsd(10)), false)
    assert.equal(holdWindow(db, id, 'r2', nanoUsd(4), nanoUsd(11)), true)
    settleWindows(db, 'r1', nanoUsd(7), nanoUsd(2))
    const [window] = listOpenWindows(db, 's', 150)
    assert.deepEqual([window?.settled, window?.held], [2n, 4n])
  })
})
