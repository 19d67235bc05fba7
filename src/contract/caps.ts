/** Caps: what a workspace, member or key may spend of the balance in a day, week or month. */
import { z } from 'zod'
import { operation } from './operation.ts'
import { windowReport } from './seats.ts'
import { dollars, nothing, page, pageQuery } from './shapes.ts'

const scope = z.enum(['workspace', 'member', 'key'])
const subject = z.string().max(64).describe('The id of the workspace, member or key.')
const unit = z.enum(['day', 'week', 'month'])

const cap = windowReport.extend({ id: z.string(), scope, subject, unit })

export const listCaps = operation({
  id: 'cap.list',
  method: 'GET',
  path: '/api/workspaces/{workspace}/caps',
  access: 'member',
  rate: 'read',
  scope: 'read',
  summary: 'The caps with what is left of each, oldest first. Who is no admin sees those that apply to it.',
  query: pageQuery,
  reply: page(cap),
})

export const setCap = operation({
  id: 'cap.set',
  method: 'PUT',
  path: '/api/workspaces/{workspace}/caps',
  access: 'admin',
  rate: 'write',
  scope: 'manage',
  summary: 'Sets a cap in place of an earlier one of the same subject and unit; what was counted stays.',
  body: z.strictObject({ scope, subject, unit, limit: dollars.describe('Zero: nothing may be spent.') }),
  reply: cap,
})

export const removeCap = operation({
  id: 'cap.remove',
  method: 'DELETE',
  path: '/api/workspaces/{workspace}/caps/{cap}',
  access: 'admin',
  rate: 'write',
  scope: 'manage',
  summary: 'Removes a cap. Set again in the same period, it goes on from what it had counted.',
  reply: nothing,
})
