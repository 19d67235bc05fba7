/** Signing in with a code by e-mail, and a new password by a link. */
import { formatInstant } from '../base/time.ts'
import { askForCode, askForReset, finishReset, signInWithCode } from '../contract/email-sign-in.ts'
import { signInWithCode as enterCode, askForCode as sendCode } from '../control/sign-in/email-code.ts'
import { finishReset as reset, askForReset as sendLink } from '../control/sign-in/password-reset.ts'
import { serve } from './operation-route.ts'
import type { RouteDefinition } from './routes.ts'
import { answerSignedIn, tokenOf } from './session.ts'

export const emailSignInRoutes: readonly RouteDefinition[] = [
  serve(askForCode, async ({ control, address }, { body: { email } }) => {
    const { challenge, expiresAtMs } = await sendCode(control, { email, address })
    return { challenge, expires_at: formatInstant(expiresAtMs) }
  }),
  serve(signInWithCode, async (context, { body }) => {
    const { control, acting, address, visit } = context
    const session = await enterCode(control, acting, { ...body, address, oldToken: tokenOf(visit, control) })
    const more = session.proof?.hasRemoved ? ({ earlier_access_removed: true } as const) : {}
    return await answerSignedIn(context, session.personId, session, more)
  }),
  serve(askForReset, async ({ control, address }, { body: { email } }) => {
    await sendLink(control, { email, address })
    return undefined
  }),
  serve(finishReset, async ({ control, acting, address }, { body }) => {
    await reset(control, acting, { ...body, address })
    return undefined
  }),
]
