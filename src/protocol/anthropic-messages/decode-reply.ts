/** Reads a Messages reply that came whole into the IR. Source: Anthropic "Create a Message". */
import type { IrBlock } from '../ir/block.ts'
import type { IrFinish } from '../ir/event.ts'
import type { IrReply } from '../ir/reply.ts'
import { asArray, asName, asObject, type WireObject } from '../wire-value.ts'
import { readMessagesFinish } from './finish.ts'
import { decodeReplyBlock } from './reply-block.ts'
import { mergeUsage, NO_COUNTERS, readMessagesUsage } from './usage.ts'

export function decodeMessagesReply(body: WireObject): IrReply {
  const blocks: IrBlock[] = []
  for (const entry of asArray(body.content)) {
    const wire = asObject(entry)
    if (wire) blocks.push(decodeReplyBlock(wire, blocks.length))
  }
  return {
    id: asName(body.id),
    model: asName(body.model),
    blocks,
    finish: decodeMessagesFinish(asName(body.stop_reason), asName(body.stop_sequence)),
    usage: readMessagesUsage(mergeUsage(NO_COUNTERS, body.usage)),
  }
}

/** Null while the wire has named no reason. */
export function decodeMessagesFinish(raw: string | null, stopSequence: string | null): IrFinish | null {
  const finish = readMessagesFinish(raw)
  return finish && { finish, raw, stopSequence }
}
