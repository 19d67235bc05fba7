/** The guide says what the code does: its types, its example of a file, its example of an event. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { nanoUsd } from '../../src/base/money.ts'
import { formatProblems, parseConfig } from '../../src/domain/config-parse.ts'
import { EVENT_TYPES } from '../../src/domain/event.ts'
import { limitThresholdEvent, THRESHOLDS } from '../../src/domain/threshold.ts'

const guide = readFileSync(new URL('../../docs/guides/events.md', import.meta.url), 'utf8')

function block(language: string): string {
  return new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(guide)?.[1] ?? ''
}

test('it lists each type of event, and no other', () => {
  const listed = [...guide.matchAll(/^\| `([^`]+)` \|/gm)].map(([, type]) => type)
  assert.deepEqual(listed, [...EVENT_TYPES])
})

test('it names the thresholds', () => {
  const [last, ...others] = [...THRESHOLDS].reverse()
  assert.ok(guide.includes(`${others.reverse().join(', ')} or ${last} %`))
})

test('its example of a file is accepted', () => {
  const parsed = parseConfig(block('jsonc'), 'example')
  assert.equal(parsed.ok ? '' : formatProblems(parsed.problems), '')
})

test('its example of an event is what is sent', () => {
  const shown = JSON.parse(block('json'))
  const atMs = Date.parse(shown.timestamp)
  const { name, kind, scope, subject, workspace, used_nano, limit_nano, resets_at } = shown.data
  const use = {
    id: `${subject}:${name}:${Date.UTC(2026, 10, 23)}`,
    workspaceId: workspace,
    scope,
    subjectId: subject,
    name,
    kind,
    used: nanoUsd(BigInt(used_nano)),
    limit: nanoUsd(BigInt(limit_nano)),
    resetsAtMs: Date.parse(resets_at),
  }
  const event = limitThresholdEvent(use, 80, atMs)
  assert.deepEqual(shown, { id: event.id, type: event.type, timestamp: shown.timestamp, data: event.payload })
  assert.ok(guide.includes(`webhook-id: ${event.id}\nwebhook-timestamp: ${Math.floor(atMs / 1000)}\n`))
})
