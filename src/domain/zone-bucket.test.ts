import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createZoneBuckets, isTimeZone, QUARTER_MS } from './zone-bucket.ts'

/** The wall clock as ICU formats it: another way to the same figures than Temporal's. */
function wallClock(zone: string): (atMs: number) => string {
  const format = new Intl.DateTimeFormat('sv-SE', {
    ...{ timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' },
  })
  return (atMs) => format.format(atMs)
}

const at = (text: string): number => Date.parse(text)

describe('days and hours of a zone', () => {
  it('begin where its clocks say, also off the hour', () => {
    const { day, hour } = createZoneBuckets('Asia/Kathmandu')
    assert.deepEqual(
      [day(at('2026-11-19T18:14:59.999Z')), day(at('2026-11-19T18:15:00Z'))],
      ['2026-11-19', '2026-11-20'],
    )
    assert.deepEqual(
      [hour(at('2026-11-19T18:14:59Z')), hour(at('2026-11-19T18:15:00Z'))],
      ['2026-11-19T23:00+05:45', '2026-11-20T00:00+05:45'],
    )
  })

  it('have 23 and 25 hours where daylight saving begins and ends, and the hour that comes twice is two', () => {
    const { day, hour } = createZoneBuckets('Europe/Berlin')
    const hoursOf = (date: string): Set<string> => {
      const hours = new Set<string>()
      const fromMs = at(`${date}T00:00:00Z`) - 12 * 3_600_000
      for (let atMs = fromMs; atMs < fromMs + 48 * 3_600_000; atMs += QUARTER_MS)
        if (day(atMs) === date) hours.add(hour(atMs))
      return hours
    }
    assert.deepEqual([hoursOf('2026-03-29').size, hoursOf('2026-10-25').size, hoursOf('2026-11-20').size], [23, 25, 24])
    assert.ok(
      hoursOf('2026-10-25').has('2026-10-25T02:00+02:00') && hoursOf('2026-10-25').has('2026-10-25T02:00+01:00'),
    )
    assert.ok(![...hoursOf('2026-03-29')].some((label) => label.startsWith('2026-03-29T02')))
  })

  it('agree with the wall clock of every zone, through every quarter hour around each change of its offset', () => {
    let checked = 0
    for (const zone of Intl.supportedValuesOf('timeZone')) {
      const { day, hour } = createZoneBuckets(zone)
      const clock = wallClock(zone)
      for (const change of changesOf(zone)) {
        for (let atMs = change - 8 * QUARTER_MS; atMs < change + 8 * QUARTER_MS; atMs += QUARTER_MS) {
          for (const instant of [atMs, atMs + QUARTER_MS - 1]) {
            const [date, time] = clock(instant).split(' ')
            assert.equal(day(instant), date, `${zone} ${instant}`)
            assert.equal(hour(instant).slice(11, 13), time?.slice(0, 2), `${zone} ${instant}`)
            checked++
          }
        }
      }
    }
    assert.ok(checked > 50_000, `only ${checked} instants`)
  })

  it('refuse what is no name of a zone', () => {
    for (const name of ['UTC', 'Europe/Berlin', 'America/Argentina/Ushuaia', 'Etc/GMT+12'])
      assert.ok(isTimeZone(name), name)
    for (const name of ['', '+05:07', 'Mars/Olympus', 'Europe/Berlin ', 'x'.repeat(500)])
      assert.ok(!isTimeZone(name), name)
  })
})

/** New year's day, and every change of the offset in some years. */
function changesOf(zone: string): number[] {
  const changes = [at('2027-01-01T00:00:00Z')]
  let local = Temporal.Instant.from('2025-12-01T00:00:00Z').toZonedDateTimeISO(zone)
  for (;;) {
    const next = local.getTimeZoneTransition('next')
    if (next === null || next.year > 2030) return changes
    changes.push(next.epochMilliseconds)
    local = next
  }
}
