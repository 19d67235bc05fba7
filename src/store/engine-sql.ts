/** What must differ between the engines stands in a comment that names one: only that one sees it. */

const ENGINE_COMMENT = /\/\*(sqlite|postgres)\b(.*?)\*\//gs

/** Opens the comments that are meant for an engine, and drops those meant for the other. They may span lines. */
export function sqlFor(engine: 'sqlite' | 'postgres', sql: string): string {
  return sql.replace(ENGINE_COMMENT, (_, name: string, body: string) => (name === engine ? body : ''))
}
