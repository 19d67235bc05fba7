/** The text of the events that are written here, as every reader of event streams takes it. */

const SEPARATORS = /[\u2028\u2029]/g

/**
 * Line and paragraph separators as escapes: JSON may hold them as they are, but some clients (Gemini CLI) take them for
 * the end of a line. What they stand in is always JSON, where the escape is the same text.
 */
export function frameText(text: string): string {
  return SEPARATORS.test(text)
    ? text.replace(SEPARATORS, (separator) => (separator === '\u2028' ? '\\u2028' : '\\u2029'))
    : text
}
