/** A failure as the API tells it: problem details (RFC 9457), with a code of the one closed list. */
import { z } from 'zod'
import { ERROR_CODES, type ErrorCode } from '../base/errors.ts'

/** Clients go by `code`; texts are for people and may change. Members beyond these may come. */
export const problem = z.object({
  type: z.string().describe('`urn:zendo:error:` and the code.'),
  title: z.string(),
  status: z.int(),
  detail: z.string().describe('What went wrong, and what to do.'),
  code: z.enum(ERROR_CODES as [ErrorCode, ...ErrorCode[]]),
  request_id: z.string().describe('Finds the request in the log, and its change in the audit log.'),
  param: z.string().optional().describe('The field or parameter at fault.'),
  metadata: z.record(z.string(), z.string()).optional(),
  error: z
    .object({ type: z.string(), code: z.string(), message: z.string(), request_id: z.string() })
    .describe('The same where the inference routes have it.'),
})

export type Problem = z.output<typeof problem>
