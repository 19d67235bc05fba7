/** Writes `docs/reference/retention.md` from what the statement of an instance is made from: `node tools/retention-reference.ts`. */
import { writeFileSync } from 'node:fs'
import { KEPT_ELSEWHERE, KEPT_TABLES, SECRETS } from '../src/domain/kept-data.ts'

export const RETENTION_PAGE = new URL('../docs/reference/retention.md', import.meta.url)

const OPENING = `# What an instance keeps

Prompts and answers pass through memory to the provider that answers and back; they are never written to a disk, a
database or a log. What is kept is below, table by table. \`GET /api/statement\` serves the same to everybody as JSON,
with the providers of the instance and their terms (region, retention, training). This page and that answer are made
from \`src/domain/kept-data.ts\`; a test compares it with the schema of the database, column by column.

Which of the providers may see its prompts, each workspace says by its policy (\`PUT /api/workspaces/{workspace}/policy\`).
Requests without a key belong to no workspace: their models are offered as the operator configured them.
`

/** The page as it must be. */
export function retentionPage(): string {
  const elsewhere = KEPT_ELSEWHERE.map(({ what, where, kept }) => row(what, where, kept))
  const secrets = SECRETS.map(({ what, where, form }) => row(what, where, form))
  return [
    OPENING,
    '## In the database\n',
    ...Object.entries(KEPT_TABLES).map(([table, { about, kept, fields }]) =>
      [
        `### ${table}\n`,
        `${about} ${kept}\n`,
        ...head('what', 'columns'),
        ...fields.map(([what, columns]) =>
          row(
            what,
            columns
              .split(' ')
              .map((name) => `\`${name}\``)
              .join(', '),
          ),
        ),
        '',
      ].join('\n'),
    ),
    '## Elsewhere\n',
    [...head('what', 'where', 'how long'), ...elsewhere, ''].join('\n'),
    '## Secrets\n',
    [...head('what', 'where', 'how'), ...secrets, ''].join('\n'),
  ].join('\n')
}

function head(...cells: readonly string[]): string[] {
  return [row(...cells), `|${cells.map(() => '---|').join('')}`]
}

function row(...cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

if (import.meta.main) writeFileSync(RETENTION_PAGE, retentionPage())
