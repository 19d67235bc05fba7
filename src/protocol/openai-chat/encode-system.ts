/** Writes the system prompt: as a chat client divided it, or as one message, which is what most vendors take. */
import type { IrText } from '../ir/block.ts'
import { asCount, asObject, type WireObject } from '../wire-value.ts'
import type { ChatWriter } from './chat-writer.ts'
import { withMarks } from './encode-parts.ts'

/** As declared; else as a chat client said it. */
export function systemRole({ quirks, isOwn }: ChatWriter, raw: WireObject | undefined): string {
  return quirks.systemRole ?? (isOwn && raw?.role === 'developer' ? 'developer' : 'system')
}

/** `notes`: sentences of the gateway's, at the end. */
export function encodeSystem(writer: ChatWriter, notes: readonly string[]): WireObject[] {
  const { system } = writer.request
  if (!writer.isOwn) {
    const content = [...system.map(({ text }) => text), ...notes].filter((text) => text !== '').join('\n\n')
    return content === '' ? [] : [{ role: systemRole(writer, undefined), content }]
  }
  const wire: WireObject[] = []
  for (let at = 0; at < system.length; ) {
    const { message, count } = systemMessage(writer, system, at)
    wire.push(message)
    at += count
  }
  return notes.length > 0 ? withNotes(writer, wire, notes.join('\n\n')) : wire
}

/** The client's own message that begins with the text at `at`. */
function systemMessage(
  writer: ChatWriter,
  system: readonly IrText[],
  at: number,
): { message: WireObject; count: number } {
  const begin = asObject(system[at]?.raw?.message)
  const { role: _role, content: listed, ...members } = begin ?? {}
  const parts = asCount(listed)
  const texts = system.slice(at, at + (parts ?? 1))
  const encoded = texts.map((text) => {
    const { message: _begin, ...raw } = text.raw ?? {}
    return withMarks(writer, { ...text, raw }, { type: 'text', text: text.text })
  })
  const [only] = encoded
  const isString = parts === null && encoded.length === 1 && Object.keys(only ?? {}).length === 2
  const content = isString ? only?.text : encoded
  return {
    message: { role: systemRole(writer, begin ?? undefined), content, ...members },
    count: Math.max(1, texts.length),
  }
}

function withNotes(writer: ChatWriter, wire: readonly WireObject[], note: string): WireObject[] {
  const last = wire.at(-1)
  if (!last) return [{ role: systemRole(writer, undefined), content: note }]
  const { content } = last
  const extended = Array.isArray(content) ? [...content, { type: 'text', text: note }] : `${content}\n\n${note}`
  return [...wire.slice(0, -1), { ...last, content: extended }]
}
