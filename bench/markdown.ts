/** The small pieces of markdown that every table of the report is made of. */

export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const rule = header.map((_, index) => (index === 0 ? '---' : '---:'))
  return [line(header), line(rule), ...rows.map(line)].join('\n')
}

/** One line per row, the columns named by the members of the first. */
export function tableOf(rows: readonly Readonly<Record<string, string>>[]): string {
  const [first] = rows
  return first === undefined ? 'not measured' : table(Object.keys(first), rows.map(Object.values<string>))
}

/** Empty where there is nothing to compare with. */
export function ratio(value: number, base: number | undefined): string {
  return base === undefined ? '' : (value / base).toFixed(2)
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`
}

export function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0)
}
