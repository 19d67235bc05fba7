/** Caps: set, listed with what is left of each, and removed. */
import { AppError } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import { formatUsd, type NanoUsd, parseUsd } from '../base/money.ts'
import type { Cap } from '../domain/cap.ts'
import { loadBalance } from '../store/account.ts'
import { deleteCap, hasKey, listCaps, loadCap, saveCap } from '../store/cap.ts'
import type { Database, Sql } from '../store/database.ts'
import { listKeys } from '../store/key.ts'
import { loadMember } from '../store/membership.ts'
import type { Workspace } from '../store/workspace.ts'
import { type Acting, changeOnRecord, type Facts } from './acting.ts'
import { balanceSource, capState, largestHold, type Payer, readLeft, sortCaps } from './left.ts'
import { type EffectiveReport, reportEffective } from './usage-effective.ts'
import { type CapReport, reportCap } from './usage-window.ts'

/** No balance is larger. */
const MAX_CAP = parseUsd(1_000_000_000)

/** Reads the dollars of a cap; zero: nothing may be spent. @throws AppError invalid_request */
export function parseCapAmount(text: string): NanoUsd {
  let amount: NanoUsd | null = null
  try {
    amount = parseUsd(text)
  } catch {
    // Said below.
  }
  if (amount === null || amount < 0n) {
    throw new AppError('invalid_request', 'the cap is not a plain decimal of dollars with at most nine decimals')
  }
  if (amount > MAX_CAP) throw new AppError('invalid_request', `a cap must not be above $${formatUsd(MAX_CAP)}`)
  return amount
}

/**
 * Sets one cap on record, in place of an earlier one of that subject and unit. One that was removed and is set again goes
 * on from what it had counted in the period. @throws AppError not_found for a subject that is not of the workspace
 */
export function setCap(db: Database, acting: Acting, wanted: Omit<Cap, 'id'>): Promise<Cap> {
  const { workspaceId, scope, subjectId, unit } = wanted
  return changeOnRecord(db, acting, async (sql, put) => {
    await requireSubject(sql, wanted)
    const before = await loadCap(sql, subjectId, unit)
    const cap = { ...wanted, id: before?.id ?? newId('cap', acting.nowMs) }
    await saveCap(sql, cap, acting.nowMs)
    const facts = (limit: NanoUsd): Facts => ({ scope, subject: subjectId, unit, limit: formatUsd(limit) })
    await put({
      ...{ action: 'cap.set', workspaceId, target: cap.id },
      ...{ before: before ? facts(before.limit) : null, after: facts(cap.limit) },
    })
    return cap
  })
}

async function requireSubject(sql: Sql, { workspaceId, scope, subjectId }: Omit<Cap, 'id'>): Promise<void> {
  const isThere =
    scope === 'workspace'
      ? subjectId === workspaceId
      : scope === 'member'
        ? (await loadMember(sql, workspaceId, subjectId)) !== undefined
        : await hasKey(sql, workspaceId, subjectId)
  if (!isThere) throw new AppError('not_found', `There is no such ${scope}.`)
}

/** The keys of a member, whose caps it may see. */
export async function listKeyIds(sql: Sql, workspaceId: string, memberId: string): Promise<string[]> {
  return (await listKeys(sql, workspaceId)).filter((key) => key.memberId === memberId).map(({ id }) => id)
}

/** Removes one cap on record. @throws AppError not_found */
export function removeCap(db: Database, acting: Acting, workspaceId: string, capId: string): Promise<void> {
  return changeOnRecord(db, acting, async (sql, put) => {
    const cap = (await listCaps(sql, workspaceId)).find(({ id }) => id === capId)
    if (!cap) throw new AppError('not_found', 'There is no such cap.')
    const { scope, subjectId, unit, limit } = cap
    await deleteCap(sql, subjectId, unit)
    const before = { scope, subject: subjectId, unit, limit: formatUsd(limit) }
    await put({ action: 'cap.remove', workspaceId, target: capId, before })
  })
}

/** A cap, and how much the one it is for can spend at all: a wider cap or the balance may end sooner. */
export interface ListedCap extends CapReport {
  readonly id: string
  /** Null in a workspace without a balance. */
  readonly effective: EffectiveReport | null
}

/** All caps of a workspace, as of one instant. */
export function listCapReports(db: Database, workspace: Workspace, nowMs: number): Promise<ListedCap[]> {
  return db.read(async (sql) => {
    const [all, keys, balance] = await Promise.all([
      listCaps(sql, workspace.id),
      listKeys(sql, workspace.id),
      loadBalance(sql, workspace.id),
    ])
    const caps = sortCaps(all)
    const payer: Payer = { workspaceId: workspace.id, accountId: balance?.id ?? null, caps, calendar: workspace }
    const sources = balanceSource(payer)
    const books = await readLeft(sql, payer, sources, nowMs)
    const reports = caps.map((cap) => ({ id: cap.id, ...reportCap(cap, capState(books, cap, payer, nowMs)) }))
    const memberOf = new Map(keys.map(({ id, memberId }) => [id, memberId]))
    return reports.map((report) => {
      const subjects = [report.subject, memberOf.get(report.subject), workspace.id]
      const own = { ...payer, caps: caps.filter(({ subjectId }) => subjects.includes(subjectId)) }
      const limits = reports.filter(({ subject }) => subjects.includes(subject))
      const largest = largestHold(books, own, sources, nowMs)
      return { ...report, effective: largest && reportEffective(largest, limits) }
    })
  })
}
