/** What a command touches, and when it was given. */
import type { Command } from '../../src/ledger/command.ts'

/** Whose balance is locked for it. */
export function lockedBy(command: Command): string | null {
  if (command.kind !== 'hold') return command.holding.funding === 'free' ? null : command.holding.workspaceId
  const { request, sources } = command
  return sources.some(({ kind }) => kind !== 'free') || request.idempotencyKey !== null ? request.workspaceId : null
}

/** When it was asked, where that matters to others. */
export function timeOf(command: Command): number {
  if (command.kind === 'extend') return command.atMs
  return command.kind === 'end' ? command.end.endedAtMs : 0
}
