/** Shapes that several operations share. */
import { z } from 'zod'

/** An instant, as all answers write it: `2026-11-20T17:00:00.000Z`. */
export const instant = z.iso.datetime()

/** A name that people give: printable, trimmed. */
export const name = z
  .string()
  .trim()
  .min(1)
  .max(100)
  .regex(/^\P{Cc}*$/u, 'must not hold control characters')

export const email = z.email().max(254).toLowerCase()

export const role = z.enum(['admin', 'member'])

/** Exact dollars as text: `12.50`. */
export const dollars = z.string().regex(/^\d{1,9}(\.\d{1,9})?$/, 'must be dollars like 12.50')

/** Pages by position, never by number: what comes and goes in between moves nothing. */
export const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(200).default(50).describe('Entries at most.'),
  cursor: z.string().max(200).optional().describe('`next_cursor` of the page before.'),
})

/** A page of entries. */
export function page<Item extends z.ZodType>(
  item: Item,
): z.ZodObject<{
  data: z.ZodArray<Item>
  next_cursor: z.ZodNullable<z.ZodString>
}> {
  return z.strictObject({ data: z.array(item), next_cursor: z.string().nullable() })
}

/** For answers without a content: 204. */
export const nothing = z.undefined()
