/** What the parts of a chat request are written with: the target, its quirks, and the warnings that come up. */
import { createHash } from 'node:crypto'
import type { Quirks } from '../../base/quirks.ts'
import type { Protocol } from '../../base/words.ts'
import type { UpstreamTarget, Warning } from '../codec.ts'
import type { IrRequest } from '../ir/request.ts'

export interface ChatWriter {
  readonly request: IrRequest
  readonly target: UpstreamTarget
  readonly quirks: Quirks
  /** The request came as chat: unknown members and the client's own spellings are written as they came. */
  readonly isOwn: boolean
  readonly warnings: Warning[]
  /** One warning for each key: the first place stands for all. */
  warnOnce(key: string, warning: Warning): void
}

export function createChatWriter(request: IrRequest, target: UpstreamTarget): ChatWriter {
  const warned = new Set<string>()
  const warnings: Warning[] = []
  return {
    request,
    target,
    quirks: target.quirks,
    isOwn: request.source === 'openai-chat',
    warnings,
    warnOnce(key, warning) {
      if (warned.has(key)) return
      warned.add(key)
      warnings.push(warning)
    },
  }
}

const MESSAGES: Readonly<Record<Protocol, string>> = {
  'openai-chat': 'messages',
  'openai-responses': 'input',
  'anthropic-messages': 'messages',
  'google-generate': 'contents',
}

/** The place of a message in the client's body, as near as the IR tells. */
export function messagePath(source: Protocol, index: number): string {
  return `${MESSAGES[source]}[${index}]`
}

/** OpenAI refuses longer ids of calls. */
const MAX_ID = 40

/** The id of a call and its result on the wire. */
export function wireCallId(writer: ChatWriter, id: string): string {
  if (writer.isOwn || id.length <= MAX_ID) return id
  return `call_${createHash('sha256').update(id).digest('hex').slice(0, 32)}`
}
