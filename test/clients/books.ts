/** Reads the booked requests of a running gateway from its database file, with what each counted in its windows. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Usage } from '../../src/base/usage.ts'

/** Amounts are nano-dollars. */
export interface BookedRequest {
  readonly id: string
  readonly product: string
  /** What the client spoke, and what the upstream. */
  readonly protocol: string
  readonly upstreamProtocol: string | null
  readonly model: string
  readonly funding: string
  readonly state: string
  readonly outcome: string | null
  readonly estimated: boolean
  /** The upstream's id of the answer. */
  readonly upstreamId: string | null
  readonly charged: bigint | null
  readonly usage: Usage
  readonly windows: readonly { readonly name: string; readonly held: bigint; readonly counted: bigint }[]
}

export interface Books {
  /** Oldest first. */
  requests(): BookedRequest[]
  close(): void
}

const REQUESTS =
  'SELECT id, product, protocol, upstream_protocol, model, funding, state, outcome, estimated, upstream_id, charged, input_tokens,' +
  ' cached_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens' +
  ' FROM request ORDER BY id'
const WINDOWS =
  'SELECT w.name, r.held, r.counted FROM request_meter r JOIN meter w ON w.id = r.meter_id' +
  ' WHERE r.request_id = ? ORDER BY w.name'

export function openBooks(dataDir: string): Books {
  const db = new DatabaseSync(join(dataDir, 'zendo.db'), { readOnly: true })
  const requests = db.prepare(REQUESTS)
  const windows = db.prepare(WINDOWS)
  requests.setReadBigInts(true)
  windows.setReadBigInts(true)
  return {
    requests: () => requests.all().map((row) => toRequest(row, windows.all(String(row.id)))),
    close: () => db.close(),
  }
}

type Row = Readonly<Record<string, unknown>>

function toRequest(row: Row, windows: readonly Row[]): BookedRequest {
  const text = (name: string) => String(row[name])
  const textOrNull = (name: string) => (row[name] === null ? null : text(name))
  const count = (name: string) => Number(row[name])
  return {
    id: text('id'),
    product: text('product'),
    protocol: text('protocol'),
    upstreamProtocol: textOrNull('upstream_protocol'),
    model: text('model'),
    funding: text('funding'),
    state: text('state'),
    outcome: textOrNull('outcome'),
    estimated: row.estimated === 1n,
    upstreamId: textOrNull('upstream_id'),
    charged: row.charged as bigint | null,
    usage: {
      input: count('input_tokens'),
      cachedRead: count('cached_read_tokens'),
      cacheWrite5m: count('cache_write_5m_tokens'),
      cacheWrite1h: count('cache_write_1h_tokens'),
      output: count('output_tokens'),
      reasoning: count('reasoning_tokens'),
    },
    windows: windows.map(({ name, held, counted }) => ({
      name: String(name),
      held: held as bigint,
      counted: counted as bigint,
    })),
  }
}
