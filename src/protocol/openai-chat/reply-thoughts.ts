/**
 * How a reply shows its thinking to a chat client: the text as `reasoning_content`, what must come back as entries of
 * `reasoning_details`, and Google's signatures on the call that they sign as well, where Google's own clients look.
 *
 * The text is not repeated in an entry: the first signature belongs to what `reasoning_content` begins with, later ones
 * bring their text along in a bundle (`decode-thoughts.ts` takes it apart again).
 */
import type { IrRedactedThinking, Mint } from '../ir/block.ts'
import { packThoughts } from '../translation/bundle.ts'
import { seal, sealBase64 } from '../translation/seal.ts'
import type { WireObject } from '../wire-value.ts'
import { encodeDetail, encodeEncrypted, extraOfToken } from './thought-detail.ts'

export interface ThoughtWriter {
  /** The text of a thinking block goes on. */
  addText(text: string): void
  /** A thinking block is over. Returns its entry; null when it has nothing that must come back. */
  end(signature: string | null): WireObject | null
  redacted(block: IrRedactedThinking): WireObject
  /** `extra_content` for the call that follows directly; null when the last thought does not sign it. */
  ofCall(): WireObject | null
  /** The same when something else than a call follows: only what the upstream itself put on its message. */
  ofMessage(): WireObject | null
}

export function createThoughtWriter(mint: Mint): ThoughtWriter {
  const isOwn = mint.protocol === 'openai-chat'
  let index = 0
  /** Text that has been shown in this reply before the block that is open. */
  let hasShown = false
  let text: string[] = []
  let extra: WireObject | null = null

  function takeExtra(): WireObject | null {
    const taken = extra
    extra = null
    return taken
  }

  function sealed(signature: string, whole: string, isFirst: boolean): string {
    if (isFirst || whole === '') return seal(mint, 'signature', signature)
    return seal(mint, 'bundle', packThoughts([{ type: 'thinking', text: whole, signature, mint }]))
  }

  return {
    addText(piece) {
      text.push(piece)
    },
    end(signature) {
      const whole = text.join('')
      const isFirst = !hasShown
      text = []
      hasShown ||= whole !== ''
      extra = null
      if (!signature) return null
      if (isOwn) {
        extra = extraOfToken(signature)
        return extra ? null : encodeDetail({ text: '', token: signature })
      }
      if (mint.protocol === 'google-generate') {
        extra = { google: { thought_signature: sealBase64(mint, 'signature', signature) } }
      }
      return { type: 'reasoning.text', text: '', signature: sealed(signature, whole, isFirst), index: index++ }
    },
    redacted({ data }) {
      extra = null
      if (isOwn) return encodeEncrypted(data)
      return { type: 'reasoning.encrypted', data: seal(mint, 'redacted', data), index: index++ }
    },
    ofCall: takeExtra,
    ofMessage() {
      const taken = takeExtra()
      return isOwn ? taken : null
    },
  }
}
