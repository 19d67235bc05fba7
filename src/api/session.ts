/** Who is signed in, where else, signing out, and proving once more who one is. */
import type { z } from 'zod'
import { AppError } from '../base/errors.ts'
import { formatInstant } from '../base/time.ts'
import {
  endOneSession,
  endOtherSessions,
  endSession,
  listSessions,
  proveSession,
  readSession,
  type sessionReply,
} from '../contract/session.ts'
import type { ControlPlane } from '../control/control-plane.ts'
import type { Principal } from '../control/principal.ts'
import { proveByPassword } from '../control/sign-in/account.ts'
import {
  csrfToken,
  endOwnSession,
  endSessionsBut,
  listOpenSessions,
  type StartedSession,
} from '../control/sign-in/session.ts'
import { listMemberships, loadPerson } from '../store/person.ts'
import { endSession as endStoredSession, loadSession, type SessionRow } from '../store/session.ts'
import { noSuch, type OperationContext, serve } from './operation-route.ts'
import type { RouteDefinition, Visit } from './routes.ts'
import { endedCookie, readSessionCookie, sessionCookie } from './session-cookie.ts'

export const sessionRoutes: readonly RouteDefinition[] = [
  serve(readSession, async ({ control, principal, visit }) => {
    const { personId, sessionId } = personOf(principal)
    return await viewSession(control, { personId, sessionId, token: tokenOf(visit, control) ?? '' })
  }),
  serve(endSession, async (context) => {
    const { personId, sessionId } = personOf(context.principal)
    await endStoredSession(context.control.database, personId, sessionId, context.acting.nowMs)
    forgetCookie(context)
    return undefined
  }),
  serve(proveSession, async (context, { body: { password } }) => {
    const { control, principal, acting, address } = context
    const own = personOf(principal)
    return await answerSignedIn(
      context,
      own.personId,
      await proveByPassword(control, acting, { own, password, address }),
    )
  }),
  serve(listSessions, async ({ control, principal, acting }) => {
    const { personId, sessionId } = personOf(principal)
    const sessions = await listOpenSessions(control.database, personId, acting.nowMs)
    return { data: sessions.map((session) => viewRow(session, sessionId)) }
  }),
  serve(endOneSession, async (context, { params: { session } }) => {
    const { control, principal, acting } = context
    const { personId, sessionId } = personOf(principal)
    if (!(await endOwnSession(control.database, acting, personId, session))) throw noSuch('session')
    if (session === sessionId) forgetCookie(context)
    return undefined
  }),
  serve(endOtherSessions, async ({ control, principal, acting }) => {
    const { personId, sessionId } = personOf(principal)
    return { ended: await endSessionsBut(control.database, acting, personId, sessionId) }
  }),
]

/** For operations that take no key. @throws AppError permission_denied for whoever is not signed in by a browser */
export function personOf(principal: Principal | null): Extract<Principal, { kind: 'person' }> {
  if (principal?.kind === 'person') return principal
  throw new AppError('permission_denied', 'Only a person who is signed in may do this.')
}

/** The session token that the request brought; for whoever signs in anew, it is the one to be ended. */
export function tokenOf(visit: Visit | null, control: ControlPlane): string | null {
  return visit && readSessionCookie(visit.request.headers, control.publicUrl())
}

/** Gives the browser the cookie of a session and tells it whose that is: the answer to every way of signing in. */
export async function answerSignedIn(
  context: OperationContext,
  personId: string,
  { id, token, expiresAtMs }: StartedSession,
  more: Pick<SessionReply, 'earlier_access_removed'> = {},
): Promise<SessionReply> {
  const { control, acting } = context
  context.setHeader('set-cookie', sessionCookie(token, control.publicUrl(), expiresAtMs - acting.nowMs))
  return { ...(await viewSession(control, { personId, sessionId: id, token })), ...more }
}

export function forgetCookie({ control, setHeader }: OperationContext): void {
  setHeader('set-cookie', endedCookie(control.publicUrl()))
}

type SessionReply = z.input<typeof sessionReply>

async function viewSession(
  { database, secret }: ControlPlane,
  { personId, sessionId, token }: { readonly personId: string; readonly sessionId: string; readonly token: string },
): Promise<SessionReply> {
  const [person, memberships, session] = await Promise.all([
    loadPerson(database, personId),
    listMemberships(database, personId),
    loadSession(database, personId, sessionId),
  ])
  if (!person || !session) throw noSuch('session')
  return {
    person: { id: person.id, email: person.email, name: person.name, is_operator: person.isOperator },
    session: {
      id: session.id,
      method: session.method,
      authenticated_at: formatInstant(session.authenticatedAtMs),
      expires_at: formatInstant(session.expiresAtMs),
    },
    csrf: csrfToken(secret, token),
    memberships: memberships.map(({ workspaceId, workspaceName, memberId, role }) => ({
      workspace: { id: workspaceId, name: workspaceName },
      member: memberId,
      role,
    })),
  }
}

function viewRow(session: SessionRow, currentId: string): z.input<typeof listSessions.reply>['data'][number] {
  return {
    id: session.id,
    method: session.method,
    created_at: formatInstant(session.createdAtMs),
    authenticated_at: formatInstant(session.authenticatedAtMs),
    seen_at: formatInstant(session.seenAtMs),
    expires_at: formatInstant(session.expiresAtMs),
    is_current: session.id === currentId,
  }
}
