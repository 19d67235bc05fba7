/** Signing in by password, setting up the instance, and which ways there are. */
import { changePassword, finishSetup, listSignInWays, signInByPassword } from '../contract/sign-in.ts'
import { changePassword as changeOwnPassword, signInWithPassword } from '../control/sign-in/account.ts'
import { arePasskeysPossible } from '../control/sign-in/passkey.ts'
import { finishSetup as finish } from '../control/sign-in/setup-link.ts'
import { serve } from './operation-route.ts'
import type { RouteDefinition } from './routes.ts'
import { answerSignedIn, personOf, tokenOf } from './session.ts'

export const signInRoutes: readonly RouteDefinition[] = [
  serve(listSignInWays, async ({ control }) => {
    const { password, registration, providers } = control.signIn()
    return {
      ...{
        password,
        registration,
        passkey: arePasskeysPossible(control.publicUrl()),
        email_code: control.mail() !== null,
      },
      providers: providers.map(({ id, name }) => ({ id, name, start: `/api/sign-in/${id}` })),
    }
  }),
  serve(signInByPassword, async (context, { body }) => {
    const { control, acting, address, visit } = context
    const oldToken = tokenOf(visit, control)
    const session = await signInWithPassword(control, acting, { ...body, address, oldToken })
    return await answerSignedIn(context, session.personId, session)
  }),
  serve(changePassword, async (context, { body: { current, password: next } }) => {
    const { control, acting, address, principal } = context
    const own = personOf(principal)
    const session = await changeOwnPassword(control, acting, { own, current, next, address })
    return await answerSignedIn(context, own.personId, session)
  }),
  serve(finishSetup, async (context, { body }) => {
    const { control, acting, address, visit } = context
    const oldToken = tokenOf(visit, control)
    const session = await finish(control, acting, { ...body, address, oldToken })
    return await answerSignedIn(context, session.personId, session)
  }),
]
