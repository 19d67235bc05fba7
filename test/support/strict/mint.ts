/** Signs what an upstream thought, and knows its own signatures again with what they were made for. */
import { createHmac } from 'node:crypto'

export interface Mint {
  /** A signature over something. Signing the same twice gives the same. */
  sign(made: string): string
  /** What a signature was made for; null when another mint made it. */
  made(signature: string): string | null
}

/** @param secret different ones make mints that refuse each other's signatures. */
export function createMint(secret: string): Mint {
  const known = new Map<string, string>()
  return {
    sign(made) {
      const signature = createHmac('sha384', secret).update(made).digest('base64')
      known.set(signature, made)
      return signature
    },
    made: (signature) => known.get(signature) ?? null,
  }
}
