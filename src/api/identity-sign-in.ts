/** Signing in at a provider of identities, and the accounts there that belong to somebody here. */
import { AppError } from '../base/errors.ts'
import { formatInstant } from '../base/time.ts'
import {
  beginSignIn,
  finishSignIn,
  linkIdentity,
  listIdentities,
  unlinkIdentity,
} from '../contract/identity-sign-in.ts'
import { unlinkIdentity as unlink } from '../control/sign-in/identity.ts'
import { arrive, type Departure, depart, findProvider, ROUND_TRIP_MS } from '../control/sign-in/round-trip.ts'
import { findSession } from '../control/sign-in/session.ts'
import { listIdentities as listStoredIdentities } from '../store/identity.ts'
import { type OperationContext, serve } from './operation-route.ts'
import type { RouteDefinition } from './routes.ts'
import { personOf, tokenOf } from './session.ts'
import { readRoundTripCookie, roundTripCookie, sessionCookie } from './session-cookie.ts'

export const identitySignInRoutes: readonly RouteDefinition[] = [
  serve(beginSignIn, (context, { params: { provider: providerId }, query }) =>
    orTellPage(context, providerId, async () => {
      const departure = await depart(context.control, { providerId, returnTo: query.return_to, linking: null })
      return leave(context, departure)
    }),
  ),
  serve(finishSignIn, (context, { params: { provider: providerId } }) =>
    orTellPage(context, providerId, async () => {
      const { control, visit, acting, setHeader } = context
      const publicUrl = control.publicUrl()
      const oldToken = tokenOf(visit, control)
      // The one public operation that looks at it: an identity is linked to the session in which that was begun.
      const open = oldToken === null ? undefined : await findSession(control.database, oldToken, acting.nowMs)
      const { session, location } = await arrive(control, acting, {
        ...{ providerId, query: new URLSearchParams(visit?.query), oldToken },
        browserToken: visit && readRoundTripCookie(visit.request.headers, publicUrl),
        session: open ? { id: open.id, personId: open.personId } : null,
      })
      setHeader('set-cookie', roundTripCookie('', publicUrl, 0))
      if (session) setHeader('set-cookie', sessionCookie(session.token, publicUrl, session.expiresAtMs - acting.nowMs))
      return location
    }),
  ),
  serve(linkIdentity, async (context, { params, body }) => {
    const { control, principal } = context
    const { personId, sessionId } = personOf(principal)
    const linking = { personId, sessionId }
    const departure = await depart(control, { providerId: params.provider, returnTo: body.return_to, linking })
    return { location: leave(context, departure) }
  }),
  serve(listIdentities, async ({ control, principal }) => {
    const { providers } = control.signIn()
    const identities = await listStoredIdentities(control.database, personOf(principal).personId)
    return {
      data: identities.map(({ issuer, createdAtMs }) => ({
        provider: providers.find((provider) => isSame(provider.issuer, issuer))?.id ?? null,
        issuer,
        linked_at: formatInstant(createdAtMs),
      })),
    }
  }),
  serve(unlinkIdentity, async ({ control, principal, acting }, { params }) => {
    const { personId } = personOf(principal)
    const provider = findProvider(control, params.provider)
    const identities = await listStoredIdentities(control.database, personId)
    const linked = identities.find(({ issuer }) => isSame(provider.issuer, issuer))
    await unlink(control, acting, { personId, issuer: linked?.issuer ?? provider.issuer })
    return undefined
  }),
]

/** A person in front of a browser is told by a page of the console, which knows the reason; a program by a problem. */
async function orTellPage(
  { control, visit, acting, setHeader }: OperationContext,
  provider: string,
  work: () => Promise<string>,
): Promise<undefined> {
  try {
    setHeader('location', await work())
  } catch (error) {
    if (!(error instanceof AppError) || !isAboutSignIn(error)) throw error
    const { cause, metadata } = error
    const reason = metadata?.reason ?? error.code
    control.log.warn({ requestId: acting.requestId, provider, reason, cause }, 'a sign-in was refused')
    if (!visit?.request.headers.accept?.includes('text/html')) throw error
    setHeader(
      'location',
      `${control.publicUrl()}/console/sign-in?${new URLSearchParams({ refused: reason, provider })}`,
    )
  }
  return undefined
}

function isAboutSignIn({ code }: AppError): boolean {
  return code === 'sign_in_failed' || code === 'upstream_unavailable'
}

/** With half of what must come back. */
function leave({ control, setHeader }: OperationContext, { location, browserToken }: Departure): string {
  setHeader('set-cookie', roundTripCookie(browserToken, control.publicUrl(), ROUND_TRIP_MS))
  return location.href
}

/** An issuer with a slash at its end may be configured without one. */
function isSame(configured: string, issuer: string): boolean {
  return new URL(configured).href === new URL(issuer).href
}
