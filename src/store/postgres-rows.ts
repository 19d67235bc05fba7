/** Inserts of many rows, in as few statements as will do: each costs server and client some ten microseconds of its own. */

/** Rows per statement; every size is a statement of its own, which each connection prepares. */
const SIZES = [32, 16, 8, 4, 2]
const PLAIN_INSERT = /^INSERT INTO \w+ \([\w, ]+\) VALUES (\((?:[^()']|'[^']*')*\))$/

/** How a plain insert of so many rows is cut: statements with the number of rows that each takes, in order. */
export function cutInsert(sql: string, rows: number): { readonly sql: string; readonly rows: number }[] | null {
  const group = PLAIN_INSERT.exec(sql)?.[1]
  if (group === undefined || rows < Math.min(...SIZES)) return null
  const parts: { sql: string; rows: number }[] = []
  for (let left = rows; left > 0; ) {
    const size = SIZES.find((candidate) => candidate <= left) ?? 1
    parts.push({ sql: sql + `, ${group}`.repeat(size - 1), rows: size })
    left -= size
  }
  return parts
}
