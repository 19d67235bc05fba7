/** The one failure that is neither yes nor no: the connection went away after the commit had been sent. */
import { AppError } from '../base/errors.ts'

export class UnknownOutcome extends AppError {
  constructor(reason: string) {
    super('storage_unavailable', 'the connection to the ledger was cut while it wrote; ask again', {
      cause: `the commit was sent and not answered: ${reason}`,
      retryAfterSeconds: 1,
    })
  }
}

/** Whether what was to be written may stand or not. The same work, done again under the same ids, settles it. */
export function isUnknownOutcome(error: unknown): boolean {
  return error instanceof UnknownOutcome
}
