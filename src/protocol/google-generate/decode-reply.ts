/** Reads a whole reply: one object, or the list of chunks that a stream without `alt=sse` is. */
import { createReplyCollector, type IrReply } from '../ir/reply.ts'
import { createStreamDecoder } from './decode-stream.ts'

/** Never throws, whatever the body is. */
export function decodeReply(body: unknown): IrReply {
  const decoder = createStreamDecoder()
  const collector = createReplyCollector()
  for (const chunk of Array.isArray(body) ? body : [body]) {
    for (const event of decoder.decode(null, chunk)) collector.add(event)
  }
  for (const event of decoder.end()) collector.add(event)
  return collector.reply()
}
