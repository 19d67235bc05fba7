/** Routes of protocols that are not spoken yet: they exist, and say so in their own shape. */
import { AppError } from '../base/errors.ts'
import type { Protocol } from '../base/words.ts'
import type { RouteDefinition, Visit } from './routes.ts'

export const unservedRoutes: readonly RouteDefinition[] = [
  unserved('POST', 'P/responses', 'openai-responses'),
  // Codex tries a WebSocket first; 426 is the one answer that sends it on to POST at once.
  { method: 'GET', pattern: 'P/responses', auth: 'none', protocol: 'openai-responses', handle: refuseUpgrade },
  unserved('POST', 'P/models/*', 'google-generate'),
  unserved('POST', 'P/v1beta/models/*', 'google-generate'),
]

function unserved(method: 'POST', pattern: string, protocol: Protocol): RouteDefinition {
  return {
    method,
    pattern,
    auth: 'key_or_free_model',
    protocol,
    handle: () => {
      throw new AppError(
        'unsupported_feature',
        `The ${protocol} protocol is not served here yet. Use chat/completions or messages; GET models names each model's endpoint.`,
      )
    },
  }
}

function refuseUpgrade(visit: Visit): void {
  const isUpgrade = visit.request.headers.upgrade !== undefined
  throw new AppError(
    'unsupported_feature',
    'WebSockets are not served here. Use POST.',
    isUpgrade ? { status: 426 } : {},
  )
}
