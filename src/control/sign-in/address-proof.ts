/**
 * The first proof that an e-mail address is its account's own. Until then whoever made the account only said so, and may
 * be somebody else: every way in from before goes in the same transaction, so that none is left to whoever that was.
 */

import { endChallenges } from '../../store/challenge.ts'
import type { Sql } from '../../store/database.ts'
import { deleteIdentityAt, type Identity, listIdentities } from '../../store/identity.ts'
import { deletePasskeysOf } from '../../store/passkey.ts'
import { lockPerson, revokeKeysOfPerson, setEmailProved } from '../../store/person.ts'
import { endSessions } from '../../store/session.ts'
import { type Acting, putOnRecord } from '../acting.ts'
import type { ControlPlane } from '../control-plane.ts'
import { postMail } from '../mail/outbox.ts'
import { accessRemovedMail, hostOf } from '../mail/texts.ts'
import { asPerson } from './account.ts'
import { applyRoles, planRoles, withoutGroups } from './role-map.ts'

/** What of the time before goes on. */
export interface Kept {
  /** The session in which it is proved. */
  readonly sessionId?: string
  /** The account at a provider by which it is proved. */
  readonly identity?: Pick<Identity, 'issuer' | 'subject'>
}

/** An address that was just proved. */
export interface AddressProof {
  readonly email: string
  /** Whether anything was there by which somebody else could have got in. */
  readonly hasRemoved: boolean
}

/**
 * Inside a transaction that has raised the revision, for keys end with it. Null where the address was proved before,
 * which changes nothing. Puts it on record; throttles must be locked before.
 */
export async function proveAddress(
  sql: Sql,
  acting: Acting,
  personId: string,
  kept: Kept = {},
): Promise<AddressProof | null> {
  const { nowMs } = acting
  const person = await lockPerson(sql, personId)
  if (!person || person.emailProvedAtMs !== null) return null
  await setEmailProved(sql, personId, nowMs)
  for (const purpose of ['password_reset', 'passkey_add', 'oidc'] as const) {
    await endChallenges(sql, purpose, personId, nowMs)
  }
  const removed = {
    password: person.password !== null,
    passkeys: await deletePasskeysOf(sql, personId),
    identities: await removeIdentities(sql, acting, { personId, name: person.name }, kept.identity),
    sessions: await endSessions(sql, personId, nowMs, kept.sessionId),
    keys: await revokeKeysOfPerson(sql, personId, nowMs),
  }
  await putOnRecord(sql, asPerson(acting, personId), {
    action: 'person.address_proved',
    ...{ workspaceId: null, target: personId, after: { removed } },
  })
  return { email: person.email, hasRemoved: Object.values(removed).some(Boolean) }
}

/** With the roles that the groups there gave: nobody would look at those again. Returns how many. */
async function removeIdentities(
  sql: Sql,
  acting: Acting,
  { personId, name }: { readonly personId: string; readonly name: string },
  kept: Kept['identity'],
): Promise<number> {
  const all = await listIdentities(sql, personId)
  const others = all.filter(({ issuer, subject }) => issuer !== kept?.issuer || subject !== kept.subject)
  for (const { issuer, subject } of others) {
    await deleteIdentityAt(sql, { issuer, subject })
    const person = withoutGroups({ personId, name, issuer })
    const put = (change: Parameters<typeof putOnRecord>[2]): Promise<void> => putOnRecord(sql, acting, change)
    await applyRoles(sql, put, { person, acting }, await planRoles(sql, person))
  }
  return others.length
}

/** After the transaction: the owner of the address reads what was removed, where mail leaves. */
export function tellOfProof(control: ControlPlane, proof: AddressProof | null): void {
  if (proof?.hasRemoved) postMail(control, accessRemovedMail(proof.email, hostOf(control)))
}
