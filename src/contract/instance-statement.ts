/** What the instance keeps of whom, for how long, and who else sees prompts. */
import { z } from 'zod'
import { operation } from './operation.ts'

export const readStatement = operation({
  id: 'instance.statement',
  method: 'GET',
  path: '/api/statement',
  access: 'public',
  rate: 'read',
  scope: null,
  summary:
    'What this instance keeps, for how long, where secrets are, and which providers see prompts under which terms.',
  reply: z.strictObject({
    prompts: z.strictObject({
      stored: z.literal(false),
      text: z.string(),
    }),
    tables: z
      .array(
        z.strictObject({
          table: z.string(),
          about: z.string(),
          kept: z.string(),
          fields: z.array(z.strictObject({ what: z.string(), columns: z.array(z.string()) })),
        }),
      )
      .describe('Every table and column of the database.'),
    elsewhere: z.array(z.strictObject({ what: z.string(), where: z.string(), kept: z.string() })),
    secrets: z.array(z.strictObject({ what: z.string(), where: z.string(), form: z.string() })),
    providers: z
      .array(
        z.strictObject({
          id: z.string(),
          region: z.string().nullable(),
          retention: z.string().nullable().describe('Null: it is not known, so nothing is promised.'),
          training: z.boolean().nullable(),
          simulated: z.boolean().describe('A part of the instance itself: nothing leaves it.'),
        }),
      )
      .describe('Who sees prompts. Each workspace chooses among them by its policy.'),
    without_a_key: z.strictObject({
      text: z.string(),
      models: z.array(z.string()),
      trained_on: z.array(z.string()).describe('Those of them that a provider may serve that trains on prompts.'),
    }),
  }),
})
