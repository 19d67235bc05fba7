/** Who has an account, and who of them runs the instance: at least one always does. */
import { AppError } from '../../base/errors.ts'
import type { Database, Sql } from '../../store/database.ts'
import {
  countOperators,
  listPeople as listStoredPeople,
  loadPerson,
  lockPerson,
  type Person,
  setDisabled,
  setOperator,
  setPersonName,
} from '../../store/person.ts'
import { endSessions } from '../../store/session.ts'
import { type Acting, type Change, changeOnRecord } from '../acting.ts'

/** Oldest first, those after an id. */
export function listPeople(db: Database, afterId: string, limit: number): Promise<Person[]> {
  return listStoredPeople(db, afterId, limit)
}

/** @throws AppError not_found */
export async function readPerson(sql: Sql, id: string): Promise<Person> {
  const person = await loadPerson(sql, id)
  if (!person) throw noSuchPerson()
  return person
}

export interface PersonChange {
  readonly name?: string | undefined
  readonly isOperator?: boolean | undefined
}

/**
 * `canProve`: whether people can show here that an address is theirs; then no account may run the instance before that.
 * @throws AppError not_found; conflict for it, and when nobody would run the instance any more
 */
export function updatePerson(
  db: Database,
  acting: Acting,
  id: string,
  change: PersonChange,
  { canProve }: { readonly canProve: boolean } = { canProve: true },
): Promise<Person> {
  return changePerson(db, acting, id, async (sql, person) => {
    const { name = person.name, isOperator = person.isOperator } = change
    if (person.isOperator && !isOperator) await checkAnotherOperator(sql, person)
    if (isOperator && !person.isOperator && canProve && person.emailProvedAtMs === null) throw notProved()
    if (name !== person.name) await setPersonName(sql, id, name)
    if (isOperator !== person.isOperator) await setOperator(sql, id, isOperator)
    return {
      action: 'person.update',
      ...{ workspaceId: null, target: id },
      before: { name: person.name, is_operator: person.isOperator },
      after: { name, is_operator: isOperator },
    }
  })
}

/** Sessions end and keys are refused, everywhere within a second. @throws AppError as `updatePerson` */
export function disablePerson(db: Database, acting: Acting, id: string): Promise<Person> {
  return changePerson(db, acting, id, async (sql, person) => {
    if (person.disabledAtMs !== null) return null
    if (person.isOperator) await checkAnotherOperator(sql, person)
    await setDisabled(sql, id, acting.nowMs)
    const ended = await endSessions(sql, id, acting.nowMs)
    return { action: 'person.disable', workspaceId: null, target: id, after: { sessions_ended: ended } }
  })
}

/** @throws AppError not_found */
export function enablePerson(db: Database, acting: Acting, id: string): Promise<Person> {
  return changePerson(db, acting, id, async (sql, person) => {
    if (person.disabledAtMs === null) return null
    await setDisabled(sql, id, null)
    // One that was begun in the moment of being disabled does not come to life.
    await endSessions(sql, id, acting.nowMs)
    return { action: 'person.enable', workspaceId: null, target: id }
  })
}

/** @param work what it did; null for nothing */
function changePerson(
  db: Database,
  acting: Acting,
  id: string,
  work: (sql: Sql, person: Person) => Promise<Change | null>,
): Promise<Person> {
  return changeOnRecord(db, acting, async (sql, put) => {
    const person = await lockPerson(sql, id)
    if (!person) throw noSuchPerson()
    const change = await work(sql, person)
    const changed = await readPerson(sql, id)
    if (change) await put(change)
    return changed
  })
}

/** Changes on record come one after the other: nobody else can cease to be one at this moment. */
async function checkAnotherOperator(sql: Sql, { disabledAtMs }: Person): Promise<void> {
  if (disabledAtMs !== null || (await countOperators(sql)) > 1) return
  throw new AppError('conflict', 'This is the last operator. Make somebody else an operator first.')
}

function notProved(): AppError {
  return new AppError(
    'conflict',
    'Nobody has shown yet that the address of this account is its own. Let its owner sign in with a code by e-mail first.',
    { metadata: { reason: 'address_not_proved' } },
  )
}

function noSuchPerson(): AppError {
  return new AppError('not_found', 'There is no such person.')
}
