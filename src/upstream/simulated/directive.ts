/** Reads the one wish that a prompt may carry for the simulation: `[[sim delayMs=250]]`. */

const DIRECTIVE = /\[\[sim delayMs=(\d{1,9})\]\]/
export const MAX_DELAY_MS = 60_000

/** Milliseconds, at most a minute; null without a directive. */
export function requestedDelayMs(userText: string): number | null {
  const match = DIRECTIVE.exec(userText)
  return match === null ? null : Math.min(Number(match[1]), MAX_DELAY_MS)
}
