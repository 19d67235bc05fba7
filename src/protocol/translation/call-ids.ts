/** Ids of calls that their upstream did not name: a conversation must not have one twice. */

/** What decoders make where the wire has no id: numbered from the start of each reply. */
const MADE_UP = /^call_\d{1,6}$/

/** Gives made-up ids the request's own id, so that they are the only ones of their kind; others stay. */
export function ownCallIds(requestId: string): (id: string) => string {
  const tail = requestId.slice(requestId.indexOf('_') + 1)
  return (id) => (MADE_UP.test(id) ? `call_${tail}_${id.slice('call_'.length)}` : id)
}
