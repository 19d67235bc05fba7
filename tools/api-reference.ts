/** Writes `docs/reference/openapi.json` and the tables of `docs/reference/api.md` from the definitions: `node tools/api-reference.ts`. */
import { readFileSync, writeFileSync } from 'node:fs'
import { allOperations } from '../src/contract/all-operations.ts'
import { openApiDocument } from '../src/contract/openapi.ts'
import type { OperationShape } from '../src/contract/operation.ts'

export const API_PAGE = new URL('../docs/reference/api.md', import.meta.url)
export const OPENAPI_FILE = new URL('../docs/reference/openapi.json', import.meta.url)

/** Where the operations stand in the page. */
const BEGIN = '<!-- operations: generated -->'
const END = '<!-- end -->'
/** Who reads the document there has an instance of its own. */
const EXAMPLE_URL = 'https://zendo.example'

export function openApiText(): string {
  return `${JSON.stringify(openApiDocument(allOperations, EXAMPLE_URL), null, 2)}\n`
}

/** The page with its operations as they are now. @throws Error when the page has no place for them */
export function withOperations(page: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (begin === -1 || end < begin) throw new Error(`docs/reference/api.md has no ${BEGIN} … ${END}`)
  return `${page.slice(0, begin + BEGIN.length)}\n\n${operationTables()}\n\n${page.slice(end)}`
}

function operationTables(): string {
  const groups = Map.groupBy<string, OperationShape>(allOperations, ({ id }) => id.split('.')[0] ?? id)
  return [...groups].map(([name, shapes]) => `### ${name}\n\n${tableOf(shapes)}`).join('\n\n')
}

function tableOf(shapes: readonly OperationShape[]): string {
  const head = ['| operation | request | for | key | rate | what |', '|---|---|---|---|---|---|']
  const rows = shapes.map(({ id, method, path, access, scope, rate, summary, isSensitive }) => {
    const key = scope === null ? 'none' : `\`${scope}\``
    const recent = isSensitive ? ', recent' : ''
    return `| \`${id}\` | \`${method} ${path}\` | ${access}${recent} | ${key} | ${rate} | ${summary.replaceAll('|', '\\|')} |`
  })
  return [...head, ...rows].join('\n')
}

if (import.meta.main) {
  writeFileSync(OPENAPI_FILE, openApiText())
  writeFileSync(API_PAGE, withOperations(readFileSync(API_PAGE, 'utf8')))
}
