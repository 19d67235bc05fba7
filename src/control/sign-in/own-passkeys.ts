/** A person's own passkeys: adding, naming and removing them, on record and told by mail. */
import { AppError } from '../../base/errors.ts'
import type { RegistrationResponse } from '../../contract/passkeys.ts'
import type { Sql } from '../../store/database.ts'
import { listIdentities } from '../../store/identity.ts'
import {
  deletePasskey as deleteStored,
  insertPasskey,
  listPasskeys,
  type Passkey,
  renamePasskey as renameStored,
} from '../../store/passkey.ts'
import { lockPerson, type Person } from '../../store/person.ts'
import { type Acting, changeOnRecord } from '../acting.ts'
import type { ControlPlane } from '../control-plane.ts'
import { postMail } from '../mail/outbox.ts'
import { hostOf, passkeyAddedMail, passkeyRemovedMail } from '../mail/texts.ts'
import type { OwnSession } from './account.ts'
import { checkNewPasskey, passkeyId } from './passkey.ts'

/** More than anybody has devices. */
const MAX_PASSKEYS = 20

/** @throws AppError sign_in_failed, conflict, not_found where there are no passkeys */
export async function addPasskey(
  control: ControlPlane,
  acting: Acting,
  {
    own,
    credential,
    name,
  }: { readonly own: OwnSession; readonly credential: RegistrationResponse; readonly name: string },
): Promise<Passkey> {
  const passkey = await checkNewPasskey(control, own, { credential, name })
  const person = await changeOnRecord(control.database, acting, async (sql, put) => {
    const person = await ownPerson(sql, own)
    if ((await listPasskeys(sql, person.id)).length >= MAX_PASSKEYS) {
      throw new AppError('conflict', `There are ${MAX_PASSKEYS} passkeys already. Remove one first.`)
    }
    if (!(await insertPasskey(sql, passkey, acting.nowMs))) {
      throw new AppError('conflict', 'This passkey was added before.')
    }
    await put({ action: 'passkey.add', workspaceId: null, target: person.id, after: factsOf(passkey) })
    return person
  })
  postMail(control, passkeyAddedMail(person.email, hostOf(control), name))
  return { ...passkey, createdAtMs: acting.nowMs, lastUsedAtMs: null }
}

/** @throws AppError not_found */
export function renamePasskey(
  control: ControlPlane,
  acting: Acting,
  { own, id, name }: { readonly own: OwnSession; readonly id: string; readonly name: string },
): Promise<Passkey> {
  return changeOnRecord(control.database, acting, async (sql, put) => {
    const passkey = await ownPasskey(sql, own, id)
    const renamed = { ...passkey, name }
    await renameStored(sql, passkey.id, name)
    await put({
      ...{ action: 'passkey.rename', workspaceId: null, target: own.personId },
      ...{ before: factsOf(passkey), after: factsOf(renamed) },
    })
    return renamed
  })
}

/** @throws AppError not_found, conflict for the only way to sign in */
export async function deletePasskey(
  control: ControlPlane,
  acting: Acting,
  { own, id }: { readonly own: OwnSession; readonly id: string },
): Promise<void> {
  const { email, name } = await changeOnRecord(control.database, acting, async (sql, put) => {
    const person = await ownPerson(sql, own)
    const passkey = await ownPasskey(sql, own, id)
    if (!(await hasAnotherWay(sql, control, person))) {
      throw new AppError('conflict', 'You could not sign in any more. Set a password or add another passkey first.')
    }
    await deleteStored(sql, passkey.id)
    await put({ action: 'passkey.delete', workspaceId: null, target: person.id, before: factsOf(passkey) })
    return { email: person.email, name: passkey.name }
  })
  postMail(control, passkeyRemovedMail(email, hostOf(control), name))
}

async function ownPerson(sql: Sql, { personId }: OwnSession): Promise<Person> {
  const person = await lockPerson(sql, personId)
  if (!person) throw new AppError('sign_in_required', 'This session was ended. Sign in again.')
  return person
}

async function ownPasskey(sql: Sql, { personId }: OwnSession, id: string): Promise<Passkey> {
  const passkey = (await listPasskeys(sql, personId)).find((candidate) => passkeyId(candidate.id) === id)
  if (!passkey) throw new AppError('not_found', 'There is no such passkey.')
  return passkey
}

async function hasAnotherWay(sql: Sql, { mail, signIn }: ControlPlane, person: Person): Promise<boolean> {
  if (person.password !== null && (signIn().password || person.isOperator)) return true
  if (mail() !== null || (await listPasskeys(sql, person.id)).length > 1) return true
  const identities = await listIdentities(sql, person.id)
  return identities.some(({ issuer }) => signIn().providers.some((provider) => provider.issuer === issuer))
}

function factsOf({ id, name }: Pick<Passkey, 'id' | 'name'>): { passkey: string; name: string } {
  return { passkey: passkeyId(id), name }
}
