/** What a hold would come to as things stand, without holding anything: the same decision, on rows that are only read. */
import { readAccount } from '../store/account.ts'
import { loadAnonymousUse } from '../store/anonymous-use.ts'
import type { Sql } from '../store/database.ts'
import { Books } from './books.ts'
import type { HoldCommand, HoldResult } from './command.ts'
import { applyHold } from './hold.ts'
import { loadOpenMeters } from './open-meters.ts'

/** Run it in one `read`, so that balance and meters are of one instant. */
export async function previewHold(sql: Sql, command: HoldCommand): Promise<HoldResult> {
  const { anonymous } = command
  const [books, used] = await Promise.all([
    readBooks(sql, command),
    anonymous ? loadAnonymousUse(sql, anonymous.addressHash, anonymous.day) : 0,
  ])
  return applyHold(books, command, anonymous === null || used < anonymous.limit)
}

/** The balance and the meters that a hold would touch. */
export async function readBooks(sql: Sql, command: HoldCommand): Promise<Books> {
  const { accountId } = command.request
  const [account, meters] = await Promise.all([
    accountId === null ? undefined : readAccount(sql, accountId),
    loadOpenMeters(sql, [command]),
  ])
  return new Books({ accounts: account ? [account] : [], meters, lots: new Map() })
}
