/** Takes what belongs to the operator out of an upstream's words before a client sees them. */
import type { Provider } from '../domain/catalog.ts'

const REDACTED = '[redacted]'

/** The text without the provider's credential and addresses; the same text when they are not in it. */
export function redactProvider(provider: Provider | undefined, text: string): string {
  let redacted = text
  for (const secret of secretsOf(provider)) redacted = redacted.replaceAll(secret, REDACTED)
  return redacted
}

/** Longest first, so that a whole URL goes before the host in it. */
function secretsOf(provider: Provider | undefined): string[] {
  if (!provider) return []
  const urls = [...provider.endpoints.values()]
  const secrets = [provider.apiKey ?? '', ...urls, ...urls.map((url) => new URL(url).host)]
  return secrets.filter((secret) => secret !== '').sort((a, b) => b.length - a.length)
}
