/** Passkeys: signing in with one, proving once more who one is, and keeping one's own. */
import type { z } from 'zod'
import { formatInstant } from '../base/time.ts'
import {
  addPasskey,
  deletePasskey,
  listPasskeys,
  proveWithPasskey,
  renamePasskey,
  signInWithPasskey,
  startPasskey,
  startPasskeyProof,
  startPasskeySignIn,
} from '../contract/passkeys.ts'
import {
  addPasskey as addOwn,
  deletePasskey as deleteOwn,
  renamePasskey as renameOwn,
} from '../control/sign-in/own-passkeys.ts'
import {
  passkeyId,
  proveWithPasskey as prove,
  signInWithPasskey as signIn,
  startAdding,
  startUsing,
} from '../control/sign-in/passkey.ts'
import { listPasskeys as listStored, type Passkey } from '../store/passkey.ts'
import { serve } from './operation-route.ts'
import type { RouteDefinition } from './routes.ts'
import { answerSignedIn, personOf, tokenOf } from './session.ts'

export const passkeyRoutes: readonly RouteDefinition[] = [
  serve(startPasskeySignIn, async ({ control }) => ({ options: await startUsing(control, null) })),
  serve(signInWithPasskey, async (context, { body: { credential } }) => {
    const { control, acting, address, visit } = context
    const session = await signIn(control, acting, { credential, address, oldToken: tokenOf(visit, control) })
    return await answerSignedIn(context, session.personId, session)
  }),
  serve(startPasskeyProof, async ({ control, principal }) => ({
    options: await startUsing(control, personOf(principal)),
  })),
  serve(proveWithPasskey, async (context, { body: { credential } }) => {
    const { control, acting, address, principal } = context
    const own = personOf(principal)
    return await answerSignedIn(context, own.personId, await prove(control, acting, { own, credential, address }))
  }),
  serve(listPasskeys, async ({ control, principal }) => {
    const { personId } = personOf(principal)
    return { data: (await listStored(control.database, personId)).map(viewOf) }
  }),
  serve(startPasskey, async ({ control, principal }) => ({
    options: await startAdding(control, personOf(principal)),
  })),
  serve(addPasskey, async ({ control, acting, principal }, { body: { credential, name } }) =>
    viewOf(await addOwn(control, acting, { own: personOf(principal), credential, name })),
  ),
  serve(renamePasskey, async ({ control, acting, principal }, { params, body: { name } }) =>
    viewOf(await renameOwn(control, acting, { own: personOf(principal), id: params.passkey, name })),
  ),
  serve(deletePasskey, async ({ control, acting, principal }, { params }) => {
    await deleteOwn(control, acting, { own: personOf(principal), id: params.passkey })
    return undefined
  }),
]

function viewOf({ id, name, transports, createdAtMs, lastUsedAtMs }: Passkey): z.input<typeof addPasskey.reply> {
  return {
    ...{ id: passkeyId(id), name, credential_id: id, transports: [...transports] },
    created_at: formatInstant(createdAtMs),
    last_used_at: lastUsedAtMs === null ? null : formatInstant(lastUsedAtMs),
  }
}
