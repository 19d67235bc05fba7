import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { it } from 'node:test'
import { startCutProxy } from './cut-proxy.ts'
import { within } from './until.ts'

it('counts a commit as cut when its client gives up before the answer that was to be lost', async () => {
  const silent = createServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const proxy = await startCutProxy(`postgres://127.0.0.1:${(silent.address() as AddressInfo).port}/none`)
  try {
    const isCut = proxy.cutAtCommit('answered')
    const client = connect(Number(new URL(proxy.url).port), '127.0.0.1')
    client.on('error', () => undefined)
    const atServer = once(silent, 'connection')
    client.write(Buffer.concat([Buffer.from([0, 0, 0, 8, 0, 3, 0, 0]), query('COMMIT')]))
    const [connection] = await atServer
    await once(connection, 'data')
    client.destroy()
    await within('the cut is counted', isCut, 5000)
  } finally {
    await proxy.close()
    silent.close()
  }
  assert.equal(silent.listening, false)
})

function query(sql: string): Buffer {
  const message = Buffer.from(`Q\0\0\0\0${sql}\0`)
  message.writeUInt32BE(message.length - 1, 1)
  return message
}
