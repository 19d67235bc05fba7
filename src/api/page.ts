/**
 * Pages of lists. A page ends behind an entry, and its cursor says behind which: what comes and goes in between moves
 * nothing. A list's statement takes the position and one entry more than the limit, which tells whether there are more.
 *
 *     const { limit, after } = readPage(input.query)
 *     const rows = await listThings(database, workspaceId, after ?? '', limit + 1)
 *     return toPage(rows, limit, ({ id }) => id, viewOf)
 */
import { AppError } from '../base/errors.ts'

/** Raised when positions mean something else; older cursors are then refused and not misread. */
const CURSOR_VERSION = '1'

export interface PageInput {
  /** Entries at most. */
  readonly limit: number
  readonly cursor?: string | undefined
}

export interface PageReply<Item> {
  readonly data: Item[]
  readonly next_cursor: string | null
}

/** Where the page begins: behind the entry at `after`, or at the start. @throws AppError invalid_request */
export function readPage({ limit, cursor }: PageInput): { readonly limit: number; readonly after: string | undefined } {
  return { limit, after: cursor === undefined ? undefined : parseCursor(cursor) }
}

/** @param rows up to `limit + 1` of them, as {@link readPage} says @param positionOf what the next page begins behind */
export function toPage<Row, Item>(
  rows: readonly Row[],
  limit: number,
  positionOf: (row: Row) => string,
  itemOf: (row: Row) => Item,
): PageReply<Item> {
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  const nextCursor = rows.length > limit && last !== undefined ? formatCursor(positionOf(last)) : null
  return { data: shown.map(itemOf), next_cursor: nextCursor }
}

export function formatCursor(position: string): string {
  return Buffer.from(`${CURSOR_VERSION}:${position}`).toString('base64url')
}

/** A position is an id or a number: a cursor that holds anything else was not given out here. */
function parseCursor(cursor: string): string {
  const [, position] = /^1:([\w.:@-]{1,128})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? []
  if (position !== undefined && formatCursor(position) === cursor) return position
  throw new AppError(
    'invalid_request',
    'The parameter cursor is none that was given out here. Begin again without one.',
    {
      param: 'cursor',
    },
  )
}
