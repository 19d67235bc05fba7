/** Invitations: sent by admins, accepted by whoever was invited. */
import type { z } from 'zod'
import { AppError } from '../base/errors.ts'
import { formatInstant } from '../base/time.ts'
import {
  acceptInvite,
  acceptInviteAsNew,
  createInvite,
  listInvites,
  previewInvite,
  renewInvite,
  revokeInvite,
} from '../contract/invites.ts'
import * as invites from '../control/invite.ts'
import { postMail } from '../control/mail/outbox.ts'
import { inviteMail } from '../control/mail/texts.ts'
import { instantOrNull } from '../control/request-view.ts'
import { tellOfProof } from '../control/sign-in/address-proof.ts'
import { type Invite, listInvites as listStoredInvites, loadInvite } from '../store/invite.ts'
import { loadPerson } from '../store/person.ts'
import { type OperationContext, serve } from './operation-route.ts'
import { readPage, toPage } from './page.ts'
import { checkMayGiveAdmin, placeOf } from './place.ts'
import type { RouteDefinition } from './routes.ts'
import { answerSignedIn, personOf, tokenOf } from './session.ts'

export const inviteRoutes: readonly RouteDefinition[] = [
  serve(createInvite, async (context, { body: { email = null, role } }) => {
    const { control, acting } = context
    const { workspaceId } = placeOf(context)
    if (role === 'admin') checkMayGiveAdmin(context)
    const request = { workspaceId, email, role, invitedBy: inviterOf(context), isMailed: control.mail() !== null }
    return await sent(context, await invites.createInvite(control.database, acting, request))
  }),
  serve(listInvites, async (context, { query }) => {
    const { control, acting } = context
    const { limit, after = '' } = readPage(query)
    const rows = await listStoredInvites(control.database, placeOf(context).workspaceId, after, limit + 1)
    return toPage(
      rows,
      limit,
      ({ id }) => id,
      (invite) => view(invite, acting.nowMs),
    )
  }),
  serve(renewInvite, async (context, { params: { invite: inviteId } }) => {
    const { control, acting } = context
    const { workspaceId } = placeOf(context)
    // Its role is for good: nothing can change between here and there.
    const invite = await loadInvite(control.database, workspaceId, inviteId)
    if (invite?.role === 'admin') checkMayGiveAdmin(context)
    const renewal = { workspaceId, inviteId, invitedBy: inviterOf(context), isMailed: control.mail() !== null }
    return await sent(context, await invites.renewInvitation(control.database, acting, renewal))
  }),
  serve(revokeInvite, async (context, { params: { invite } }) => {
    const { control, acting } = context
    await invites.revokeInvitation(control.database, acting, placeOf(context).workspaceId, invite)
    return undefined
  }),
  serve(previewInvite, async ({ control, acting }, { body: { token } }) => {
    const preview = await control.database.read((sql) => invites.previewInvite(sql, token, acting.nowMs))
    const { workspace, invite, isAddressProved } = preview
    return {
      ...{ workspace: { name: workspace.name }, role: invite.role, email_hint: hintOf(invite.email) },
      ...{ address_proved: isAddressProved, expires_at: formatInstant(invite.expiresAtMs) },
    }
  }),
  serve(acceptInvite, async ({ control, acting, principal }, { body: { token } }) => {
    const { personId, sessionId } = personOf(principal)
    const own = { token, personId, sessionId }
    const { workspace, memberId, role, proof } = await invites.acceptAsPerson(control.database, acting, own)
    tellOfProof(control, proof)
    return { workspace: { id: workspace.id, name: workspace.name }, member: memberId, role }
  }),
  serve(acceptInviteAsNew, async (context, { body }) => {
    const { control, acting, visit } = context
    if (!control.signIn().password) {
      throw new AppError(
        'permission_denied',
        'There are no passwords here. Sign in another way, then open the link again.',
      )
    }
    const oldToken = tokenOf(visit, control)
    const session = await invites.acceptAsNewPerson(control.database, acting, { ...body, oldToken })
    return await answerSignedIn(context, session.personId, session)
  }),
]

function inviterOf(context: OperationContext): string {
  return invites.inviterOf(placeOf(context).memberId, context.principal?.personId ?? null)
}

/** Mails the link where there is an address and a way to, and then to nobody else; else it is answered, to be passed on. */
async function sent(
  context: OperationContext,
  { invite, token }: invites.MadeInvite,
): Promise<z.input<typeof createInvite.reply>> {
  const { control, acting, place, principal } = context
  const link = `${control.publicUrl()}/console/invite#${token}`
  const mailed = invite.byMail
  if (mailed && invite.email !== null) {
    const personId = principal?.personId ?? null
    const inviter = personId === null ? undefined : await loadPerson(control.database, personId)
    const facts = { to: invite.email, workspaceName: place?.workspace.name ?? '', link }
    const invitedBy = inviter?.name ?? 'an administrator'
    postMail(control, inviteMail({ ...facts, invitedBy, expiresAtMs: invite.expiresAtMs }))
  }
  return { ...view(invite, acting.nowMs), link: mailed ? null : link, mailed }
}

function view(invite: Invite, nowMs: number): z.input<typeof listInvites.reply>['data'][number] {
  const { id, email, role, createdAtMs, expiresAtMs, acceptedAtMs } = invite
  return {
    ...{ id, email, role, state: stateOf(invite, nowMs), created_at: formatInstant(createdAtMs) },
    ...{ expires_at: formatInstant(expiresAtMs), accepted_at: instantOrNull(acceptedAtMs) },
  }
}

function stateOf({ acceptedAtMs, revokedAtMs, expiresAtMs }: Invite, nowMs: number) {
  if (acceptedAtMs !== null) return 'accepted'
  if (revokedAtMs !== null) return 'revoked'
  return expiresAtMs <= nowMs ? 'expired' : 'open'
}

/** Enough for its owner to know it by. */
function hintOf(email: string | null): string | null {
  if (email === null) return null
  const at = email.lastIndexOf('@')
  return `${email.slice(0, 1)}…${email.slice(at)}`
}
