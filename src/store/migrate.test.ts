import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { type Database, openDatabase } from './database.ts'
import { migrate, readMigrations } from './migrate.ts'

let directory: string
let db: Database

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'zendo-migrate-'))
  db = openDatabase(join(directory, 'zendo.db'), { nowMs: 1 })
})

afterEach(() => {
  db.close()
  rmSync(directory, { recursive: true })
})

describe('migrations', () => {
  it('are applied once each', () => {
    migrate(db, 2)
    const applied = db.all<{ applied_at: bigint }>('SELECT applied_at FROM migration')
    assert.equal(applied.length, readMigrations().length)
    assert.ok(applied.every((row) => row.applied_at === 1n))
  })

  it('one that fails leaves nothing of itself behind', () => {
    const known = readMigrations()
    const bad = {
      version: 9999,
      name: 'bad',
      checksum: 'x',
      sql: 'CREATE TABLE half (id TEXT); CREATE TABLE half (id TEXT)',
    }
    assert.throws(() => migrate(db, 2, [...known, bad]), /already exists/)
    assert.equal(db.get("SELECT 1 FROM sqlite_master WHERE name = 'half'"), undefined)
    assert.equal(db.get('SELECT 1 FROM migration WHERE version = 9999'), undefined)
  })

  it('a database of a newer version is refused, and so is a migration that was edited', () => {
    const [first, ...rest] = readMigrations()
    assert.ok(first)
    assert.throws(() => migrate(db, 2, [{ ...first, checksum: 'edited' }, ...rest]), /was changed/)
    db.run("INSERT INTO migration (version, name, checksum, applied_at) VALUES (9999, 'later', 'x', 1)")
    assert.throws(() => migrate(db, 2), /newer/)
  })
})
