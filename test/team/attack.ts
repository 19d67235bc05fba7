/**
 * A random program of an admin who wants more of a plan than the operator allowed: members, keys and seats deleted and
 * made again, people invited back, caps and calendars changed, and in between everything spent that can be.
 */
import { randomBytes } from 'node:crypto'
import { AppError } from '../../src/base/errors.ts'
import { parseUsd } from '../../src/base/money.ts'
import { HOUR_MS, MINUTE_MS } from '../../src/base/time.ts'
import { type Acting, changeOnRecord } from '../../src/control/acting.ts'
import { removeCap, setCap } from '../../src/control/cap.ts'
import { grantCredit } from '../../src/control/credit.ts'
import { acceptAsPerson, createInvite } from '../../src/control/invite.ts'
import { insertKey, makeKey } from '../../src/control/key.ts'
import { addServiceMember, removeMember } from '../../src/control/member.ts'
import { endAssignedSeat, type SeatRequest, setAllowance } from '../../src/control/seat-assignment.ts'
import { PLANS, testActing } from '../../src/control/test-instance.ts'
import { createWorkspace, updateWorkspace } from '../../src/control/workspace-settings.ts'
import type { Database } from '../../src/store/database.ts'
import { insertPersonMember } from '../../src/store/membership.ts'
import { insertPerson } from '../../src/store/person.ts'
import { listMembers, listSeats, type Seat } from '../../src/store/workspace.ts'
import type { Random } from '../races/random.ts'
import { spend } from './spending.ts'

const DOLLAR = 1_000_000_000n
const STEPS = 20
/** What an operator gave to the balance, in dollars. */
const CREDIT = 20
/** Monday, just after midnight: the program is over before the week is. */
const MONDAY_MS = Date.UTC(2026, 10, 16, 0, 10)

/** How a seat is given; the right way, or one with a fault. */
export type Assign = (db: Database, acting: Acting, request: SeatRequest) => Promise<Seat>

/** What came out, and what the operator put in; whole nano-dollars. */
export interface Haul {
  readonly plan: bigint
  readonly planWorth: bigint
  readonly balance: bigint
  readonly balanceWorth: bigint
}

interface Attack {
  readonly db: Database
  readonly random: Random
  readonly assign: Assign
  readonly workspaceId: string
  /** A person who leaves and comes back. */
  readonly personId: string
  readonly adminId: string
  readonly keys: { readonly key: string; readonly memberId: string }[]
  nowMs: number
  plan: bigint
  balance: bigint
}

let serial = 0

/** Runs one program in a workspace of its own. */
export async function runAttack(db: Database, random: Random, assign: Assign): Promise<Haul> {
  const allowance = 1 + random.below(2)
  const attack = await begin(db, random, assign, allowance)
  for (let step = 0; step < STEPS; step++) await act(attack)
  const sessions = BigInt(Math.floor((attack.nowMs - MONDAY_MS) / (5 * HOUR_MS)) + 1)
  const perSeat = [12n * sessions, 30n, 60n].reduce((least, limit) => (limit < least ? limit : least))
  return {
    ...{ plan: attack.plan, planWorth: BigInt(allowance) * perSeat * DOLLAR },
    ...{ balance: attack.balance, balanceWorth: BigInt(CREDIT) * DOLLAR },
  }
}

async function begin(db: Database, random: Random, assign: Assign, allowance: number): Promise<Attack> {
  const acting = testActing(MONDAY_MS)
  const n = serial++
  const [adminId, personId] = [`mem_admin${n}`, `per_guest${n}`]
  const { id: workspaceId } = await createWorkspace(db, acting, { name: `w${n}`, adminId: null })
  await db.write(async (sql) => {
    for (const id of [`per_admin${n}`, personId]) {
      await insertPerson(sql, { id, email: `${id}@x.example`, name: id, isOperator: false, password: null }, MONDAY_MS)
    }
    const admin = { id: adminId, workspaceId, name: 'admin', role: 'admin', personId: `per_admin${n}` } as const
    await insertPersonMember(sql, admin, MONDAY_MS)
  })
  await grantCredit(db, acting, { workspaceId, amount: parseUsd(CREDIT), note: '' })
  await setAllowance(db, acting, { workspaceId, planId: 'go', seats: allowance }, PLANS)
  return {
    ...{ db, random, assign, workspaceId, personId, adminId, keys: [], nowMs: MONDAY_MS, plan: 0n, balance: 0n },
  }
}

/** One step; what is refused is a step too. */
async function act(attack: Attack): Promise<void> {
  const { random } = attack
  // Nothing that was just ended is still under way when it is given again, or the program would find out less.
  attack.nowMs += random.pick([1, 1, MINUTE_MS, 2 * MINUTE_MS, 10 * MINUTE_MS, HOUR_MS])
  const steps = [
    drain,
    drain,
    drain,
    changeSeat,
    changeSeat,
    changeSeat,
    changeMember,
    changeKey,
    changeCap,
    changeCalendar,
  ]
  try {
    await random.pick(steps)(attack, testActing(attack.nowMs))
  } catch (error) {
    if (!(error instanceof AppError) || error.code === 'internal') throw error
  }
}

/** Spends with a key until it is refused: one that has a seat, where there is such. */
async function drain(attack: Attack, acting: Acting): Promise<void> {
  const { db, random, keys, nowMs, workspaceId } = attack
  const holders = (await listSeats(db, workspaceId)).map(({ memberId }) => memberId)
  if (holders.length > 0) await addKey(attack, acting, random.pick(holders))
  const seated = keys.filter(({ memberId }) => holders.includes(memberId))
  const all = seated.length > 0 ? seated : keys
  if (all.length === 0) return
  const { key } = random.pick(all)
  const product = random.pick(['go', 'go', 'go', 'zen'] as const)
  for (const dollars of [7n, 3n, 1n]) {
    for (;;) {
      const paid = await spend(db, PLANS, { key, product, amount: dollars * DOLLAR, nowMs })
      if (paid === null) break
      if (paid === 'plan') attack.plan += dollars * DOLLAR
      else attack.balance += dollars * DOLLAR
    }
  }
}

async function changeMember({ db, random, workspaceId, personId, adminId }: Attack, acting: Acting): Promise<void> {
  const others = (await listMembers(db, workspaceId)).filter(({ id }) => id !== adminId)
  if (others.length > 0 && random.below(2) === 0) {
    await removeMember(db, acting, { workspaceId, memberId: random.pick(others).id })
  } else if (random.below(2) === 0) {
    const invite = { workspaceId, email: null, role: 'member', invitedBy: adminId, isMailed: false } as const
    const { token } = await createInvite(db, acting, invite)
    await acceptAsPerson(db, acting, { token, personId, sessionId: 'ses_none' })
  } else {
    await addServiceMember(db, acting, { workspaceId, name: 'bot', role: 'member' })
  }
}

async function changeSeat({ db, random, assign, workspaceId }: Attack, acting: Acting): Promise<void> {
  const seats = await listSeats(db, workspaceId)
  if (seats.length > 0 && random.below(2) === 0) {
    await endAssignedSeat(db, acting, workspaceId, random.pick(seats).id)
  }
  const memberId = random.pick(await listMembers(db, workspaceId)).id
  await assign(db, acting, { workspaceId, memberId, planId: 'go', useBalance: random.below(2) === 0 })
}

async function changeKey(attack: Attack, acting: Acting): Promise<void> {
  const { db, random, workspaceId } = attack
  await addKey(attack, acting, random.pick(await listMembers(db, workspaceId)).id)
}

async function addKey({ db, workspaceId, keys }: Attack, acting: Acting, memberId: string): Promise<void> {
  const made = makeKey({ memberId, name: 'k' }, { nowMs: acting.nowMs, randomBytes })
  await changeOnRecord(db, acting, (sql) => insertKey(sql, workspaceId, made))
  keys.push({ key: made.key, memberId })
}

async function changeCap({ db, random, workspaceId }: Attack, acting: Acting): Promise<void> {
  const limit = parseUsd(random.below(30))
  const cap = await setCap(db, acting, { workspaceId, scope: 'workspace', subjectId: workspaceId, unit: 'day', limit })
  if (random.below(2) === 0) await removeCap(db, acting, workspaceId, cap.id)
}

async function changeCalendar({ db, random, workspaceId }: Attack, acting: Acting): Promise<void> {
  await updateWorkspace(db, acting, workspaceId, {
    timeZone: random.pick(['UTC', 'Pacific/Kiritimati', 'Pacific/Niue']),
  })
}
