/** How deep JSON text is nested, told without parsing it. */

/** No tool takes more, vendors refuse far less, and writers of JSON slow down or fail on what is endless. */
const MAX_DEPTH = 250

const QUOTE = 0x22
const BACKSLASH = 0x5c

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
