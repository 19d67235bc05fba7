/**
 * The cache marks of a request: those that the upstream takes, and marks of our own where an agent's would be.
 *
 * Source: Anthropic "Prompt caching" (at most four marks; on tools, system and messages, in this order).
 */
import type { MarkedDraft, RequestWork, WireDraft, WireMessage } from './encode-work.ts'
import { cacheControl, warn } from './encode-work.ts'

const MAX_MARKS = 4

export interface MarkablePrompt {
  readonly tools: readonly WireDraft[]
  readonly system: readonly WireDraft[]
  readonly messages: readonly WireMessage[]
}

/** Changes the drafts in place. */
export function settleCacheMarks(work: RequestWork, prompt: MarkablePrompt): void {
  const form = work.target.quirks.cacheMarks ?? 'ttl'
  const { marked } = work
  const hasTopLevel = hasTopLevelMark(work)
  if (form === 'none') {
    for (const mark of marked) removeMark(work, mark, 'the model takes no marks')
    return
  }
  if (marked.length === 0 && !hasTopLevel && work.target.originateCacheMarks) originate(prompt)
  if (form === 'plain') for (const mark of marked) removeTtl(work, mark)
  const surplus = marked.length - (hasTopLevel ? MAX_MARKS - 1 : MAX_MARKS)
  for (const mark of marked.slice(0, Math.max(surplus, 0))) removeMark(work, mark, 'more marks than are allowed')
}

/** The request as a whole may ask for a mark at its end. */
export function hasTopLevelMark({ request, isForeign }: RequestWork): boolean {
  return !isForeign && 'cache_control' in request.raw
}

function removeMark(work: RequestWork, { draft, field }: MarkedDraft, why: string): void {
  delete draft.cache_control
  warn(work, 'dropped', field, why)
}

function removeTtl(work: RequestWork, { draft, field }: MarkedDraft): void {
  const { ttl, ...rest } = draft.cache_control as WireDraft
  if (ttl === undefined) return
  draft.cache_control = rest
  warn(work, 'dropped', `${field}.ttl`)
}

/** On the last tool, the end of the system prompt, and the ends of the last two messages of the user. */
function originate({ tools, system, messages }: MarkablePrompt): void {
  const users = messages.filter(({ role }) => role === 'user').slice(-2)
  for (const draft of [tools.at(-1), system.at(-1), ...users.map(({ blocks }) => blocks.at(-1))]) {
    if (draft) draft.cache_control = cacheControl({ ttl: null })
  }
}
