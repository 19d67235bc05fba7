/** Asks a provider for its list of models, to learn whether it takes a credential. Nothing of the answer is read. */
import { Client } from 'undici'
import { type EgressRule, guardedConnector } from './egress.ts'

export interface Probe {
  /** The provider's base URL, without a trailing slash. */
  readonly endpoint: string
  /** Names and values in turn, the credential among them. */
  readonly headers: readonly string[]
  readonly egress: EgressRule | null
}

/** The status of the answer; null when there was none. */
export type ProbeResult = { readonly status: number | null }

const CONNECT_MS = 3000
const HEADERS_MS = 8000
const MAX_HEADER_BYTES = 64 * 1024

/** Never rejects: a provider that cannot be reached is a result like any other. Redirects are not followed. */
export async function probeModels({ endpoint, headers, egress }: Probe): Promise<ProbeResult> {
  const url = new URL(endpoint)
  const client = new Client(url.origin, {
    allowH2: false,
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_MS,
    connect: egress ? guardedConnector(egress, { timeoutMs: CONNECT_MS }) : { timeout: CONNECT_MS },
  })
  try {
    const { statusCode, body } = await client.request({
      method: 'GET',
      path: `${url.pathname.replace(/\/+$/, '')}/models`,
      headers: headers as string[],
      signal: AbortSignal.timeout(CONNECT_MS + HEADERS_MS),
    })
    body.on('error', () => undefined)
    body.destroy()
    return { status: statusCode }
  } catch {
    return { status: null }
  } finally {
    await client.destroy().catch(() => undefined)
  }
}
