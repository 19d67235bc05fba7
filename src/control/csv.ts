/** Rows of CSV (RFC 4180) that are safe to open in a spreadsheet. */

export type Cell = string | number | boolean | null

export function formatRow(cells: readonly Cell[]): string {
  return `${cells.map(formatCell).join(',')}\r\n`
}

/** What a spreadsheet would run as a formula gets an apostrophe before it: many texts are clients'. */
function formatCell(cell: Cell): string {
  if (cell === null) return ''
  const text = typeof cell === 'string' && /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : String(cell)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
