/** The closed list of simulated models: what each one answers, and how the answer reaches the client. */

/** What is answered: the user's own words, a tool call and then a closing line, or a fixed text of 1,000 words. */
export type Content = 'echo' | 'tool_call' | 'long'

/** How the answer goes out. `reject_…` answers with an HTTP error; the others begin a reply. */
export type Delivery =
  | 'whole'
  | 'late'
  | 'stall_halfway'
  | 'cut_halfway'
  | 'error_halfway'
  | 'reject_rate_limited'
  | 'reject_internal'

export interface Scenario {
  readonly content: Content
  readonly delivery: Delivery
  /** Whether the reply carries token counts. */
  readonly reportsUsage: boolean
}

const ECHO: Scenario = { content: 'echo', delivery: 'whole', reportsUsage: true }

const scenarios: ReadonlyMap<string, Scenario> = new Map([
  ['echo', ECHO],
  ['tool-call', { ...ECHO, content: 'tool_call' }],
  ['slow-first-token', { ...ECHO, delivery: 'late' }],
  ['stall', { ...ECHO, delivery: 'stall_halfway' }],
  ['cut', { ...ECHO, delivery: 'cut_halfway' }],
  ['error-429', { ...ECHO, delivery: 'reject_rate_limited' }],
  ['error-500', { ...ECHO, delivery: 'reject_internal' }],
  ['midstream-error', { ...ECHO, delivery: 'error_halfway' }],
  ['no-usage', { ...ECHO, reportsUsage: false }],
  ['long', { ...ECHO, content: 'long' }],
])

/** The upstream names, without the `sim/` that the catalogue puts before them. */
export const SIMULATED_MODELS: readonly string[] = [...scenarios.keys()]

export function scenarioOf(model: string): Scenario | undefined {
  return scenarios.get(model)
}
