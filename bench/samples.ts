/** Collects measured values and answers with percentiles; a growing typed array, so that collecting costs little. */

export interface Samples {
  values: Float64Array
  count: number
}

export function createSamples(): Samples {
  return { values: new Float64Array(1 << 14), count: 0 }
}

export function addSample(samples: Samples, value: number): void {
  if (samples.count === samples.values.length) {
    const larger = new Float64Array(samples.count * 2)
    larger.set(samples.values)
    samples.values = larger
  }
  samples.values[samples.count++] = value
}

export interface Percentiles {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** Nearest-rank percentiles; all zero when nothing was collected. */
export function percentilesOf(samples: Samples): Percentiles {
  const sorted = samples.values.slice(0, samples.count).sort()
  return {
    count: samples.count,
    p50: rank(sorted, 0.5),
    p99: rank(sorted, 0.99),
    max: sorted[sorted.length - 1] ?? 0,
  }
}

function rank(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0
}

/** The middle value; the mean of the two middle ones for an even count; NaN for none. */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2
}
