/**
 * Pays for a streamed answer in slices: while it streams, the hold grows ahead of what has been delivered. Where the next
 * slice does not fit any more, the answer ends at the one that was paid for.
 */
import { coveredOutput, nextHold } from '../domain/hold-size.ts'
import type { Admission } from './admission.ts'
import type { Gateway } from './gateway.ts'
import { growHold } from './settlement.ts'

export interface Slices {
  /**
   * Tells how many output tokens were delivered so far. `stop`: the answer must end now, because what is held is used up
   * and cannot grow, or the upstream goes far beyond the cap it was given. `wait`: what is held is used up, and whether
   * it grows is not known yet; `decided` then tells when it is.
   */
  observe(outputTokens: number): 'go' | 'wait' | 'stop'
  decided(): Promise<unknown>
  /** Why, in words for the client. */
  reason(): string
}

/** Delivered tokens are estimated by their bytes; of source code there are up to a quarter more. */
const LIKELY_SHARE = 1.25
/** The next slice is held when this share of the last is used. */
const AHEAD = 0.75
/** An upstream that keeps its cap may seem to go beyond it by so much. */
const SPARE_SHARE = 1.75
const SPARE_TOKENS = 512
/** Where its cap is what can be paid for: as much as plain words are overestimated by, and no more. */
const CLAMPED_SHARE = 1.6

export function createSlices(gateway: Gateway, admission: Admission): Slices {
  const { holdSize, maxHold } = admission
  let covered = coveredOutput(holdSize, admission.hold)
  let growing: Promise<unknown> | null = null
  let isRefused = false
  const isMetered = maxHold > 0n
  /** The cap that was sent is what could be paid for, and not the client's. */
  const isClamped = admission.clampedOutput !== null

  function grow(): void {
    growing = growHold(gateway, admission, nextHold(holdSize, admission.hold, maxHold))
      .then((grown) => {
        if (grown) covered = coveredOutput(holdSize, admission.hold)
        else isRefused = true
      })
      .catch(() => {
        isRefused = true
      })
      .finally(() => {
        growing = null
      })
  }

  return {
    observe(outputTokens) {
      const delivered = outputTokens * LIKELY_SHARE
      if (!isMetered || delivered < covered * AHEAD) return 'go'
      if (admission.hold < maxHold && !isRefused) {
        if (!growing) grow()
        return delivered < covered ? 'go' : 'wait'
      }
      const spare = isClamped ? covered * CLAMPED_SHARE : covered * SPARE_SHARE + SPARE_TOKENS
      const most = isRefused ? covered : spare
      return delivered < most ? 'go' : 'stop'
    },
    decided: async () => {
      await growing
    },
    reason: () =>
      isRefused || isClamped
        ? 'The answer was ended here: what is left of the balance or limit does not pay for more of it. What was delivered is charged.'
        : 'The answer was ended here: it went far beyond the output that was asked for.',
  }
}
