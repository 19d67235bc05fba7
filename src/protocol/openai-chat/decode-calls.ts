/**
 * Puts the tool calls of a streamed chat reply together.
 *
 * Source: OpenAI "Streaming" (index, id and name first, then pieces of arguments by index) and captured streams: the
 * whole call in one delta (xAI, Groq, Mistral), no index (Mistral), no id or an empty one in later deltas (Qwen), the
 * name only in a later delta or again in each, several calls all numbered 0 (Google), indexes that begin with 1.
 */
import type { IrEvent } from '../ir/event.ts'
import type { IrThought } from '../translation/bundle.ts'
import { asName, asObject, asText, type WireObject } from '../wire-value.ts'
import { decodeExtra } from './decode-thoughts.ts'
import { createJsonDepth, type JsonDepth, jsonText } from './json-depth.ts'

interface Call {
  readonly index: number | null
  /** Among all calls. */
  readonly position: number
  id: string | null
  name: string | null
  kind: 'function' | 'custom'
  /** Null until the call has a name and could be shown. */
  block: number | null
  /** Pieces that came before the name. */
  early: string
  thoughts: readonly IrThought[]
  hasInput: boolean
  hasEnded: boolean
  readonly depth: JsonDepth
}

/** What the calls need of the reply that they are part of. */
export interface CallOutlet {
  nextBlock(): number
  emit(event: IrEvent): void
  /** Ends what is open, and gives the signature that stands on the call its place directly before. */
  beforeCall(thoughts: readonly IrThought[]): void
  replyId(): string | null
}

export interface CallAssembler {
  /** An entry of `tool_calls`. */
  add(entry: WireObject): void
  /** The deprecated `function_call`. */
  addLegacy(call: WireObject): void
  end(): void
  /** Whether any call was shown. */
  hasCalls(): boolean
}

export function createCallAssembler(outlet: CallOutlet): CallAssembler {
  const calls: Call[] = []
  /** The latest call of each index and of each id. */
  const byIndex = new Map<number, Call>()
  const byId = new Map<string, Call>()
  /** Calls whose arguments are complete, and that were not ended yet. */
  const whole = new Set<Call>()
  let shown = 0

  function find(index: number | null, id: string | null, name: string | null, input: string): Call | undefined {
    if (index === null) {
      if (id !== null) return byId.get(id)
      const last = calls.at(-1)
      return name !== null && last && last.name !== null ? repeated(last, name, input) : last
    }
    const call = byIndex.get(index)
    if (!call) return undefined
    // A new id with a name is a new call, even under the number of another.
    if (id !== null && call.id !== null && id !== call.id && name !== null) return undefined
    return id === null && name !== null && call.name !== null ? repeated(call, name, input) : call
  }

  function setId(call: Call, id: string): void {
    call.id = id
    if ((byId.get(id)?.position ?? -1) < call.position) byId.set(id, call)
  }

  /** A call that is whole, or has another name, cannot go on: a name with arguments is the next one. */
  function repeated(call: Call, name: string, input: string): Call | undefined {
    const isNext = call.depth.isWhole() || (call.hasInput && name !== call.name)
    return input !== '' && isNext ? undefined : call
  }

  function open(index: number | null): Call {
    const call: Call = {
      index,
      position: calls.length,
      id: null,
      name: null,
      kind: 'function',
      block: null,
      early: '',
      thoughts: [],
      hasInput: false,
      hasEnded: false,
      depth: createJsonDepth(),
    }
    calls.push(call)
    if (index !== null) byIndex.set(index, call)
    return call
  }

  function show(call: Call, name: string): void {
    // Calls that are whole need not wait for the end of the reply. Vendors that interleave go on with the others.
    for (const other of whole) if (other !== call) endCall(other)
    outlet.beforeCall(call.thoughts)
    call.block = outlet.nextBlock()
    const id = call.id ?? madeId(outlet.replyId(), shown)
    shown++
    outlet.emit({ type: 'tool-call-start', block: call.block, id, name, kind: call.kind })
    if (call.early !== '') addInput(call, call.early)
    call.early = ''
  }

  function addInput(call: Call, text: string): void {
    if (text === '') return
    if (call.block === null) {
      call.early += text
      return
    }
    if (call.hasEnded) return
    call.hasInput = true
    if (call.kind === 'function') call.depth.add(text)
    if (call.depth.isWhole()) whole.add(call)
    else whole.delete(call)
    outlet.emit({ type: 'tool-call-delta', block: call.block, text })
  }

  function endCall(call: Call): void {
    if (call.block === null || call.hasEnded) return
    if (!call.hasInput && call.kind === 'function') addInput(call, '{}')
    call.hasEnded = true
    whole.delete(call)
    outlet.emit({ type: 'tool-call-end', block: call.block })
  }

  function addPiece(call: Call, id: string | null, name: string | null, input: string): void {
    if (call.id === null && id !== null) setId(call, id)
    const isNew = call.name === null && name !== null
    call.name ??= name
    if (isNew && name !== null) show(call, name)
    addInput(call, input)
  }

  return {
    add(entry) {
      const kind = kindOf(entry)
      const called = asObject(entry[kind]) ?? entry
      const index = typeof entry.index === 'number' ? entry.index : null
      const id = asName(entry.id)
      const name = asName(called.name)
      const input = inputOf(kind === 'custom' ? called.input : called.arguments)
      const call = find(index, id, name, input) ?? open(index)
      if (call.name === null) {
        call.kind = kind
        const thoughts = decodeExtra(asObject(entry.extra_content))
        if (thoughts.length > 0) call.thoughts = thoughts
      }
      addPiece(call, id, name, input)
    },
    addLegacy(legacy) {
      const name = asName(legacy.name)
      const input = inputOf(legacy.arguments)
      if (name === null && input === '') return
      addPiece(byIndex.get(LEGACY_INDEX) ?? open(LEGACY_INDEX), null, name, input)
    },
    end() {
      for (const call of calls) endCall(call)
    },
    hasCalls: () => shown > 0,
  }
}

const LEGACY_INDEX = -1

/** Snowflake fills the members of both kinds. */
function kindOf(entry: WireObject): 'function' | 'custom' {
  return asObject(entry.custom) && entry.type !== 'function' ? 'custom' : 'function'
}

/** Some vendors give the arguments as an object. */
function inputOf(value: unknown): string {
  return asText(value) ?? (value === null || value === undefined ? '' : jsonText(value))
}

const MAX_ID_PART = 24

/** Unlike other turns' ids, as far as the reply's own id tells. */
function madeId(replyId: string | null, position: number): string {
  const part = replyId?.replace(/[^a-zA-Z0-9]/g, '').slice(-MAX_ID_PART)
  return part ? `call_${part}_${position}` : `call_${position}`
}
