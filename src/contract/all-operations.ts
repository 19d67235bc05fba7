/** Every operation of the control plane. */
import type { OperationShape } from './operation.ts'
import { endSession, readSession } from './session.ts'

export const allOperations = [readSession, endSession] as const satisfies readonly OperationShape[]
