/** Seats on plans: handed out, switched, ended; and how many an operator lets a workspace hand out. */
import { z } from 'zod'
import { operation } from './operation.ts'
import { instant, nothing, page, pageQuery } from './shapes.ts'
import { amountText, nanoText } from './workspaces.ts'

/** How a window or cap stands. */
export const windowReport = z.strictObject({
  name: z.string(),
  kind: z.enum(['session', 'calendar', 'anchored', 'sliding']),
  limit: amountText,
  limit_nano: nanoText,
  settled: amountText.describe('Counted by requests that ended, in exact dollars.'),
  settled_nano: nanoText,
  held: amountText.describe('Reserved by requests under way, in exact dollars.'),
  held_nano: nanoText,
  used: amountText,
  used_nano: nanoText,
  remaining: amountText,
  remaining_nano: nanoText,
  percent: z.number().int().describe('Used of limit, whole percent, rounded down.'),
  status: z.enum(['ok', 'rate-limited']),
  starts_at: instant.nullable(),
  resets_at: instant.nullable().describe('When all of it is free again if nothing more is spent.'),
})

const seat = z.strictObject({
  id: z.string(),
  member: z.string(),
  plan: z.string(),
  use_balance: z.boolean().describe('Whether requests go on from the balance when a window is full.'),
  started_at: instant,
  windows: z.array(windowReport),
  binding: z.string().nullable().describe('The window with the least left.'),
})

const useBalance = z.boolean().describe('Whether requests go on from the balance when a window is full.')

export const listSeats = operation({
  id: 'seat.list',
  method: 'GET',
  path: '/api/workspaces/{workspace}/seats',
  access: 'member',
  rate: 'read',
  scope: 'read',
  summary: 'The seats in use with their windows, oldest first. Who is no admin sees its own.',
  query: pageQuery,
  reply: page(seat),
})

export const assignSeat = operation({
  id: 'seat.assign',
  method: 'POST',
  path: '/api/workspaces/{workspace}/seats',
  access: 'admin',
  rate: 'write',
  scope: 'manage',
  summary:
    'Gives a member a seat on a plan. Admins hand out what the operator allows; a seat that was used and ended is ' +
    'given again with what its windows have counted.',
  body: z.strictObject({
    member: z.string().max(64),
    plan: z.string().max(64),
    use_balance: useBalance.default(false),
  }),
  reply: seat,
})

export const updateSeat = operation({
  id: 'seat.update',
  method: 'PATCH',
  path: '/api/workspaces/{workspace}/seats/{seat}',
  access: 'member',
  rate: 'write',
  scope: 'manage',
  summary: 'Switches whether a seat goes on from the balance: for admins, and for whoever has the seat.',
  body: z.strictObject({ use_balance: useBalance }),
  reply: seat,
})

export const endSeat = operation({
  id: 'seat.end',
  method: 'DELETE',
  path: '/api/workspaces/{workspace}/seats/{seat}',
  access: 'admin',
  rate: 'write',
  scope: 'manage',
  summary: 'Ends a seat.',
  reply: nothing,
})

const allowance = z.strictObject({
  plan: z.string(),
  seats: z.number().int().describe('How many the admins may hand out.'),
  in_use: z.number().int(),
})

export const listPlans = operation({
  id: 'plan.list',
  method: 'GET',
  path: '/api/workspaces/{workspace}/plans',
  access: 'member',
  rate: 'read',
  scope: 'read',
  summary: 'The plans there are, and how many seats of each the workspace may hand out.',
  reply: z.strictObject({ data: z.array(allowance) }),
})

export const allowSeats = operation({
  id: 'plan.allow',
  method: 'PUT',
  path: '/api/workspaces/{workspace}/plans/{plan}',
  access: 'operator',
  rate: 'write',
  scope: 'manage',
  summary: 'Sets how many seats of a plan the admins may hand out. Seats in use above it stay.',
  body: z.strictObject({ seats: z.number().int().min(0).max(1_000_000) }),
  reply: allowance,
})
