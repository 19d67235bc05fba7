/** Who is signed in, and signing out. */
import { formatInstant } from '../base/time.ts'
import { endSession, readSession } from '../contract/session.ts'
import type { Principal } from '../control/principal.ts'
import { csrfToken } from '../control/sign-in/session.ts'
import { listMemberships, loadPerson } from '../store/person.ts'
import { endSession as endStoredSession, listSessions } from '../store/session.ts'
import { noSuch, type OperationContext, serve } from './operation-route.ts'
import type { RouteDefinition } from './routes.ts'
import { endedCookie, readSessionCookie } from './session-cookie.ts'

export const sessionRoutes: readonly RouteDefinition[] = [
  serve(readSession, async ({ control, principal, visit }) => {
    const { personId, sessionId } = personOf(principal)
    const { database, secret } = control
    const [person, memberships, sessions] = await Promise.all([
      loadPerson(database, personId),
      listMemberships(database, personId),
      listSessions(database, personId),
    ])
    const session = sessions.find(({ id }) => id === sessionId)
    if (!person || !session) throw noSuch('session')
    return {
      person: { id: person.id, email: person.email, name: person.name, is_operator: person.isOperator },
      session: {
        id: session.id,
        method: session.method,
        authenticated_at: formatInstant(session.authenticatedAtMs),
        expires_at: formatInstant(session.expiresAtMs),
      },
      csrf: csrfToken(secret, readSessionCookie(visit.request.headers, control.publicUrl()) ?? ''),
      memberships: memberships.map(({ workspaceId, workspaceName, memberId, role }) => ({
        workspace: { id: workspaceId, name: workspaceName },
        member: memberId,
        role,
      })),
    }
  }),
  serve(endSession, async (context) => {
    const { control, principal, acting } = context
    const { personId, sessionId } = personOf(principal)
    await endStoredSession(control.database, personId, sessionId, acting.nowMs)
    forgetCookie(context)
    return undefined
  }),
]

/** For operations that take no key. */
export function personOf(principal: Principal | null): Extract<Principal, { kind: 'person' }> {
  if (principal?.kind !== 'person') throw new Error('an operation for people was reached without one')
  return principal
}

export function forgetCookie({ control, setHeader }: OperationContext): void {
  setHeader('set-cookie', endedCookie(control.publicUrl()))
}
