import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { addressGroup, clientAddress, parseTrustedProxies } from './client-address.ts'

const none = parseTrustedProxies([])
const local = parseTrustedProxies(['127.0.0.1', '10.0.0.0/8', 'fd00::/8'])

describe('client address', () => {
  it('is the peer, whatever an untrusted peer claims', () => {
    assert.equal(clientAddress('203.0.113.9', '198.51.100.1', none), '203.0.113.9')
    assert.equal(clientAddress('203.0.113.9', '198.51.100.1', local), '203.0.113.9')
  })

  it('is the nearest claim that no trusted proxy made', () => {
    assert.equal(clientAddress('127.0.0.1', '198.51.100.1, 203.0.113.7, 10.1.2.3', local), '203.0.113.7')
    assert.equal(clientAddress('::ffff:127.0.0.1', '2001:db8::1', local), '2001:db8::1')
    assert.equal(clientAddress('127.0.0.1', '10.0.0.5', local), '10.0.0.5')
  })

  it('stops at a claim that is no address', () => {
    assert.equal(clientAddress('127.0.0.1', '203.0.113.7, <script>', local), '127.0.0.1')
    assert.equal(clientAddress('127.0.0.1', undefined, local), '127.0.0.1')
  })

  it('refuses proxies that are neither address nor range', () => {
    assert.throws(() => parseTrustedProxies(['example.com']), TypeError)
  })

  it('IPv6 addresses of one /64 share an allowance, others do not', () => {
    const group = addressGroup('2001:db8:1:2::1')
    assert.equal(group, '2001:db8:1:2::/64')
    assert.equal(addressGroup('2001:0db8:0001:0002:ffff::9'), group)
    assert.notEqual(addressGroup('2001:db8:1:3::1'), group)
    assert.equal(addressGroup('::1'), '0:0:0:0::/64')
    assert.equal(addressGroup('203.0.113.9'), '203.0.113.9')
  })
})
