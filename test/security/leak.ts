/** Loaded before the server in a control alone: a debug build that writes every body it is sent into its data directory. */
import { appendFileSync } from 'node:fs'
import { IncomingMessage } from 'node:http'
import { join } from 'node:path'

const { push } = IncomingMessage.prototype
IncomingMessage.prototype.push = function (this: IncomingMessage, chunk: unknown, ...more: never[]): boolean {
  if (Buffer.isBuffer(chunk)) appendFileSync(join(process.env.ZENDO_DATA_DIR ?? '.', 'debug.log'), chunk)
  return push.call(this, chunk, ...more)
}
