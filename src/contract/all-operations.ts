/** Every operation of the control plane. */
import {
  exportAuditLog,
  exportWorkspaceAuditLog,
  listAuditLog,
  listWorkspaceAuditLog,
  verifyAuditLog,
} from './audit-log.ts'
import { listCaps, removeCap, setCap } from './caps.ts'
import { checkCredential, deleteCredential, listCredentials, saveCredential, updateCredential } from './credentials.ts'
import { askForCode, askForReset, finishReset, signInWithCode } from './email-sign-in.ts'
import { beginSignIn, finishSignIn, linkIdentity, listIdentities, unlinkIdentity } from './identity-sign-in.ts'
import { readStatement } from './instance-statement.ts'
import {
  acceptInvite,
  acceptInviteAsNew,
  createInvite,
  listInvites,
  previewInvite,
  renewInvite,
  revokeInvite,
} from './invites.ts'
import { createKey, listKeys, readKey, revokeKey, rotateKey, updateKey } from './keys.ts'
import {
  createMember,
  leaveWorkspace,
  listMembers,
  readMember,
  removeMember,
  transferAdmin,
  updateMember,
} from './members.ts'
import { readOpenApi } from './openapi.ts'
import type { OperationShape } from './operation.ts'
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
} from './passkeys.ts'
import { disablePerson, enablePerson, listPeople, readMe, readPerson, updateMe, updatePerson } from './people.ts'
import { listModels, readPolicy, updatePolicy } from './policy.ts'
import { listRequests, listTags, readRequest, readUsage } from './reports.ts'
import { allowSeats, assignSeat, endSeat, listPlans, listSeats, updateSeat } from './seats.ts'
import { endOneSession, endOtherSessions, endSession, listSessions, proveSession, readSession } from './session.ts'
import { listSettings, resetSetting, updateSetting } from './settings.ts'
import { changePassword, finishSetup, listSignInWays, signInByPassword } from './sign-in.ts'
import {
  blockWorkspace,
  createWorkspace,
  grantCredit,
  listLots,
  listWorkspaces,
  readBalance,
  readWorkspace,
  unblockWorkspace,
  updateWorkspace,
} from './workspaces.ts'

export const allOperations = [
  ...[readSession, endSession, proveSession, listSessions, endOneSession, endOtherSessions],
  ...[listSignInWays, signInByPassword, changePassword, finishSetup],
  ...[beginSignIn, finishSignIn, listIdentities, linkIdentity, unlinkIdentity],
  ...[listPeople, readPerson, updatePerson, disablePerson, enablePerson, readMe, updateMe],
  ...[askForCode, signInWithCode, askForReset, finishReset],
  ...[startPasskeySignIn, signInWithPasskey, startPasskeyProof, proveWithPasskey],
  ...[listPasskeys, startPasskey, addPasskey, renamePasskey, deletePasskey],
  ...[createWorkspace, listWorkspaces, readWorkspace, updateWorkspace, blockWorkspace, unblockWorkspace],
  ...[readBalance, listLots, grantCredit, readUsage, listRequests, readRequest, listTags],
  ...[listMembers, readMember, createMember, updateMember, removeMember, leaveWorkspace, transferAdmin],
  ...[createInvite, listInvites, renewInvite, revokeInvite, previewInvite, acceptInvite, acceptInviteAsNew],
  ...[listPlans, allowSeats, listSeats, assignSeat, updateSeat, endSeat, listCaps, setCap, removeCap],
  ...[listKeys, createKey, readKey, updateKey, rotateKey, revokeKey],
  ...[readPolicy, updatePolicy, listModels],
  ...[readStatement],
  ...[listCredentials, saveCredential, updateCredential, checkCredential, deleteCredential],
  ...[listAuditLog, exportAuditLog, verifyAuditLog, listWorkspaceAuditLog, exportWorkspaceAuditLog],
  ...[listSettings, updateSetting, resetSetting],
  readOpenApi,
] as const satisfies readonly OperationShape[]
