/**
 * Reads Google's `usageMetadata` into disjoint buckets.
 *
 * Source: Google "UsageMetadata" and captured answers: `candidatesTokenCount` leaves thoughts out, what was cached is
 * part of the prompt, and what server tools read comes on top of it. Streams count up: early chunks lack some counters,
 * a later counter replaces an earlier one.
 */
import type { Usage } from '../../base/usage.ts'
import { asCount, asObject, clampCount, type WireObject } from '../wire-value.ts'

/** The counters after one more `usageMetadata`; those that it does not name stay. */
export function mergeGoogleUsage(before: WireObject | null, wire: unknown): WireObject | null {
  const usage = asObject(wire)
  if (!usage) return before
  const merged: Record<string, unknown> = { ...before }
  for (const [key, value] of Object.entries(usage)) if (value !== null) merged[key] = value
  return merged
}

/** Null when neither prompt nor output was counted. */
export function readGoogleUsage(wire: unknown): Usage | null {
  const usage = asObject(wire)
  if (!usage) return null
  const prompt = asCount(usage.promptTokenCount)
  const candidates = asCount(usage.candidatesTokenCount)
  const thoughts = asCount(usage.thoughtsTokenCount)
  if (prompt === null && candidates === null && thoughts === null) return null
  const cached = asCount(usage.cachedContentTokenCount) ?? 0
  const toolUse = asCount(usage.toolUsePromptTokenCount) ?? 0
  return {
    input: clampCount(clampCount((prompt ?? 0) - cached) + toolUse),
    cachedRead: cached,
    cacheWrite5m: 0,
    cacheWrite1h: 0,
    output: clampCount((candidates ?? 0) + (thoughts ?? 0)),
    reasoning: thoughts ?? 0,
  }
}

/** The same counters as the wire has them; `cost` is put beside them when it is known. */
export function writeGoogleUsage(usage: Usage, cost: string | null): WireObject {
  const { input, cachedRead, cacheWrite5m, cacheWrite1h, output, reasoning } = usage
  const prompt = input + cachedRead + cacheWrite5m + cacheWrite1h
  return {
    promptTokenCount: prompt,
    candidatesTokenCount: output - reasoning,
    totalTokenCount: prompt + output,
    ...(cachedRead > 0 && { cachedContentTokenCount: cachedRead }),
    ...(reasoning > 0 && { thoughtsTokenCount: reasoning }),
    ...(cost !== null && { cost }),
  }
}
