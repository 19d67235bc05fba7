/** The schema of one entry of `plans`: a fee and its windows. */
import { z } from 'zod'
import { DEFAULTS, distinct } from './config-defaults.ts'
import { positiveUsd, text, usd } from './config-values.ts'

const windowName = text(32).describe('Shown to clients and in errors; unique in the plan.')
const windowLimit = positiveUsd.describe('Dollars of (weighted) list price.')
const hours = z
  .number({ error: 'expected a number of hours' })
  .positive({ error: 'must be above zero' })
  .max(8784, { error: 'must not be above 8784 (a year)' })

const windowEntry = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({
      name: windowName,
      kind: z
        .literal('session')
        .describe(
          '`session` opens with the first request and lasts `hours`; `sliding` sums the last `hours`; `calendar` follows the calendar of the workspace; `anchored` runs from the start of the seat.',
        ),
      hours: hours
        .refine((length) => isWhole(length * 3600), { error: 'must be whole seconds' })
        .describe('Length, in whole seconds; of a `sliding` window in whole minutes. For `session` and `sliding`.'),
      limit: windowLimit,
    }),
    z.strictObject({
      name: windowName,
      kind: z.literal('sliding'),
      // What it counts leaves it in sixty steps, of at least a second each.
      hours: hours.refine((length) => isWhole(length * 60), { error: 'must be whole minutes' }),
      limit: windowLimit,
    }),
    z.strictObject({
      name: windowName,
      kind: z.enum(['calendar', 'anchored']),
      unit: z
        .enum(['day', 'week', 'month'], { error: 'expected day, week or month' })
        .describe('For `calendar` and `anchored`.'),
      limit: windowLimit,
    }),
  ],
  { error: 'expected a kind of window: session, calendar, anchored or sliding' },
)

export const planEntry = z.strictObject({
  price: usd.optional().describe('Dollars per interval.'),
  interval: z
    .literal('month', { error: 'expected "month"' })
    .optional()
    .describe('How often it is paid.')
    .meta({ default: 'month' }),
  products: distinct(z.array(z.literal('go', { error: 'a plan pays for "go": Zen is always paid from the balance' })))
    .optional()
    .describe('What the plan pays for.')
    .meta({ default: DEFAULTS.planProducts }),
  windows: z
    .array(windowEntry)
    .min(1, { error: 'a plan needs at least one window' })
    .refine((list) => new Set(list.map((window) => window.name)).size === list.length, {
      error: 'two windows have the same name',
    })
    .optional()
    .describe('The value limits, in the order in which they are checked.'),
})

export type PlanEntry = z.infer<typeof planEntry>
export type WindowEntry = z.infer<typeof windowEntry>

/** Decimal fractions of an hour are not exact in binary, hence the tolerance. */
function isWhole(units: number): boolean {
  return Math.abs(units - Math.round(units)) < 1e-6
}
