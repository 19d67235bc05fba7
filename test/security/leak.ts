/** Loaded before the server in a control alone: a debug build that writes every body it is sent into its data directory. */
import { appendFileSync } from 'node:fs'
import { type IncomingMessage, Server } from 'node:http'
import { join } from 'node:path'

const { emit } = Server.prototype
Server.prototype.emit = function (this: Server, event: string | symbol, ...values: unknown[]): boolean {
  if (event === 'request') {
    const request = values[0] as IncomingMessage
    request.on('data', (chunk: Buffer) => appendFileSync(join(process.env.ZENDO_DATA_DIR ?? '.', 'debug.log'), chunk))
  }
  return emit.call(this, event, ...values)
}
