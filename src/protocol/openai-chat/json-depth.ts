/** JSON text in pieces: whether its outermost object or list is complete; and of values that came where text belongs. */

export interface JsonDepth {
  /** Reads on. */
  add(piece: string): void
  /** An object or list was begun, and all that was begun is closed. */
  isWhole(): boolean
}

const QUOTE = 0x22
const BACKSLASH = 0x5c

export function createJsonDepth(): JsonDepth {
  let depth = 0
  let hasBegun = false
  let inString = false
  let isEscaped = false
  return {
    add(piece) {
      for (let i = 0; i < piece.length; i++) {
        const code = piece.charCodeAt(i)
        if (inString) {
          if (isEscaped) isEscaped = false
          else if (code === BACKSLASH) isEscaped = true
          else if (code === QUOTE) inString = false
        } else if (code === QUOTE) inString = true
        else if (code === 0x7b || code === 0x5b) {
          depth++
          hasBegun = true
        } else if (code === 0x7d || code === 0x5d) depth--
      }
    },
    isWhole: () => hasBegun && depth <= 0 && !inString,
  }
}

/** No tool takes more, vendors refuse far less, and writers of JSON slow down or fail on what is endless. */
const MAX_DEPTH = 250

/** Whether brackets are open within each other more often than any arguments or results of a tool need. */
export function isNestedTooDeeply(json: string): boolean {
  let depth = 0
  for (let i = 0; i < json.length; i++) {
    const code = json.charCodeAt(i)
    if (code === QUOTE) i = endOfString(json, i)
    else if (code === 0x7b || code === 0x5b) {
      depth++
      if (depth > MAX_DEPTH) return true
    } else if (code === 0x7d || code === 0x5d) depth--
  }
  return false
}

/** The place of the quote that ends the string which begins at `start`; the end of the text when none does. */
function endOfString(json: string, start: number): number {
  let i = start + 1
  while (i < json.length) {
    const code = json.charCodeAt(i)
    if (code === QUOTE) return i
    i += code === BACKSLASH ? 2 : 1
  }
  return json.length
}

/** The JSON text of a parsed value; empty when it is nested deeper than can be written. */
export function jsonText(value: unknown): string {
  try {
    return JSON.stringify(value) ?? ''
  } catch {
    return ''
  }
}
