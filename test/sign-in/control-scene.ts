/** The control plane in this process, on a real database and with a clock that tests move. */
import { randomBytes } from 'node:crypto'
import { pino } from 'pino'
import { createSealer } from '../../src/base/seal.ts'
import type { Acting } from '../../src/control/acting.ts'
import type { ControlPlane } from '../../src/control/control-plane.ts'
import { buildMailConfig } from '../../src/domain/config-mail-schema.ts'
import { DEFAULT_SIGN_IN } from '../../src/domain/sign-in-config.ts'
import { buildForTest } from '../../src/domain/test-catalog.ts'
import type { Database } from '../../src/store/database.ts'
import { insertPerson } from '../../src/store/person.ts'
import type { Mailbox } from '../support/mailbox.ts'

export const NOW_MS = Date.UTC(2026, 10, 20, 12)
export const ADDRESS = '192.0.2.1'

export interface ControlSceneOptions {
  readonly database: Database
  readonly clock: () => number
  readonly mailbox: Mailbox | null
  readonly more?: Partial<ControlPlane>
}

/** Two of them on one database stand for two processes. */
export function makeControl({ database, clock, mailbox, more = {} }: ControlSceneOptions): ControlPlane {
  const catalog = buildForTest({})
  return {
    ...{ database, clock, randomBytes, log: pino({ level: 'silent' }), catalog: () => catalog },
    ...{ publicUrl: () => 'https://zendo.example', signIn: () => DEFAULT_SIGN_IN, settings: () => [] },
    ...{ sealer: createSealer(['k'.repeat(43)]), trailKey: 'trail', trailKeys: ['trail'], secret: 'secret' },
    mail: () => mailbox && buildMailConfig(mailbox.url, 'Zendo <zendo@zendo.example>'),
    ...more,
  }
}

export function actingAt(nowMs: number): Acting {
  return { actor: { kind: 'system', id: null }, nowMs, requestId: null, trailKey: 'trail', randomBytes }
}

export async function addAccount(database: Database, email: string): Promise<string> {
  const id = `per_${email.replace(/\W/g, '_')}`
  await database.write((sql) =>
    insertPerson(sql, { id, email, name: 'Ann', isOperator: false, password: null, isProved: true }, NOW_MS),
  )
  return id
}
