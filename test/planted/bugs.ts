/**
 * Bugs that would cost somebody money, each as a small change to the code and the test that must notice it. What is
 * replaced must stand in the file exactly once: a change that no longer fits is a failure too.
 */

export interface Edit {
  readonly file: string
  readonly find: string
  readonly put: string
}

export interface PlantedBug {
  readonly name: string
  readonly edits: readonly Edit[]
  /** Arguments of node: a test file, or the simulation. */
  readonly test: readonly string[]
  /** What the test says of it: it must not fail for another reason. */
  readonly says: RegExp
}

const SIMULATION = ['test/simulation/run.ts', '--seeds', '80', '--bail']

function testOf(file: string, name: string): string[] {
  return ['--test', '--test-name-pattern', name, file]
}

const ENDS: readonly PlantedBug[] = [
  {
    name: 'an end ignores that the request has ended',
    edits: [
      {
        file: 'src/store/request.ts',
        find: "WHERE id = ? AND state = 'held' RETURNING",
        put: 'WHERE id = ? RETURNING',
      },
    ],
    test: testOf('src/ledger/end.test.ts', 'a second time'),
    says: /a second time/,
  },
  {
    name: 'an end is not one transaction',
    edits: [{ file: 'src/store/sqlite.ts', find: "writer.exec('ROLLBACK')", put: "writer.exec('COMMIT')" }],
    test: SIMULATION,
    says: /FAILED seed/,
  },
  {
    name: 'an end that comes too late is charged',
    edits: [
      {
        file: 'src/store/request.ts',
        find: "WHERE id = ? AND state = 'held' RETURNING",
        put: "WHERE id = ? AND (state = 'held' OR ended_by = 'sweep') RETURNING",
      },
    ],
    test: SIMULATION,
    says: /FAILED seed/,
  },
  {
    name: 'a refused request keeps its hold',
    edits: [
      {
        file: 'src/ledger/end.ts',
        find: "if (holding.funding === 'balance') endOnBalance",
        put: "if (holding.funding === 'balance' && end.state === 'settled') endOnBalance",
      },
    ],
    test: SIMULATION,
    says: /holds|I3/,
  },
  {
    name: 'an end counts in a window at list price, whatever the weight',
    edits: [
      {
        file: 'src/ledger/end.ts',
        find: 'const counted = amountIn(books, id, charged, holding.weightPpm)',
        put: 'const counted = charged',
      },
    ],
    test: SIMULATION,
    says: /counts|above its limit|fall below zero/,
  },
  {
    name: 'an end is charged in the window that is open then',
    edits: [
      {
        file: 'src/domain/window.ts',
        find: 'const open = rows.filter((row) => row.endsAtMs > nowMs)',
        put: 'const open = rows.filter((row) => row.endsAtMs > nowMs && row.startsAtMs <= nowMs)',
      },
    ],
    test: SIMULATION,
    says: /overlap|open |other meters|UNIQUE|admitted|refused/,
  },
]

const CRASHES: readonly PlantedBug[] = [
  {
    name: 'a start ignores the spill',
    edits: [
      {
        file: 'src/ledger/node.ts',
        find: 'const owed = spills.flatMap(readSpill)',
        put: 'const owed: EndCommand[] = spills.length < 0 ? spills.flatMap(readSpill) : []',
      },
    ],
    test: SIMULATION,
    says: /was told of its end/,
  },
  {
    name: 'a start releases before it reads the spill',
    edits: [
      {
        file: 'src/ledger/node.ts',
        find: '  const owed = spills.flatMap(readSpill)\n',
        put: '  for (const node of await listLiveNodes(database)) if (isOurs(node.place)) await endNode(database, node, nowMs)\n  await sweepDead(database, nowMs)\n  const owed = spills.flatMap(readSpill)\n',
      },
    ],
    test: SIMULATION,
    says: /was told of its end/,
  },
  {
    name: 'an end that could not be written is not tried again',
    edits: [
      {
        file: 'src/ledger/ledger.ts',
        find: 'stopRetrying ??= timers.every(RETRY_MS, () => void settleOwed())',
        put: 'stopRetrying ??= timers.every(RETRY_MS, () => undefined)',
      },
    ],
    test: SIMULATION,
    says: /never end|still holds money/,
  },
  {
    name: 'the spill is forgotten while an end is still owed',
    edits: [
      {
        file: 'src/ledger/ledger.ts',
        find: '    if (owed.size > 0) return\n    stop',
        put: '    if (owed.size > 0) void spill?.clear()\n    if (owed.size > 0) return\n    stop',
      },
    ],
    test: testOf('src/ledger/ledger.test.ts', 'still owed'),
    says: /still owed/,
  },
  {
    name: 'a damaged record of the spill is read',
    edits: [
      {
        file: 'src/ledger/spill.ts',
        find: 'if (crc32(body) === bytes.readUInt32BE(at + 8)) texts.push',
        put: 'if (crc32(body) >= 0) texts.push',
      },
    ],
    test: testOf('src/ledger/spill.test.ts', 'damaged'),
    says: /damaged/,
  },
  {
    name: 'a cut database looks like dead processes',
    edits: [
      {
        file: 'src/ledger/node.ts',
        find: 'const heardMs = Math.min(timers.now() - lookedAtMs, SWEEP_MS)',
        put: 'const heardMs = timers.now() - lookedAtMs',
      },
    ],
    test: SIMULATION,
    says: /taken for dead|was swept while/,
  },
  {
    name: 'the sweep gives back what its own process still serves',
    edits: [
      {
        file: 'src/ledger/node.ts',
        find: 'const unknown = holds.filter((hold) => !ledger?.isOpen(hold.id))',
        put: 'const unknown = holds',
      },
    ],
    test: SIMULATION,
    says: /was swept while/,
  },
]

const HOLDS: readonly PlantedBug[] = [
  {
    name: 'a hold grows without holding more',
    edits: [
      {
        file: 'src/ledger/extend.ts',
        find: 'if (takesBalance) books.addHeld(holding.accountId, growth)',
        put: 'if (takesBalance) books.addHeld(holding.accountId, subtractUsd(growth, growth))',
      },
    ],
    test: SIMULATION,
    says: /holds|I3/,
  },
  {
    name: 'a slice sees one bucket of a sliding window',
    edits: [
      {
        file: 'src/ledger/extend.ts',
        find: "own.kind === 'sliding' ? [own, ...open] : [own]",
        put: 'open.length < 0 ? open : [own]',
      },
    ],
    test: testOf('src/ledger/extend.test.ts', 'every bucket'),
    says: /every bucket/,
  },
  {
    name: 'caps are not asked',
    edits: [
      {
        file: 'src/ledger/constraint.ts',
        find: '...command.caps.map((cap) =>',
        put: '...command.caps.slice(0, 0).map((cap) =>',
      },
    ],
    test: SIMULATION,
    says: /other meters|was admitted/,
  },
  {
    name: 'what others hold of a balance is not looked at',
    edits: [
      {
        file: 'src/ledger/books.ts',
        find: 'return subtractUsd(posted, held)',
        put: 'return held < 0n ? held : posted',
      },
    ],
    test: testOf('src/ledger/hold.test.ts', 'what others hold'),
    says: /what others hold/,
  },
  {
    name: 'the key of a released request is not free again',
    edits: [
      {
        file: 'src/store/request.ts',
        find: " AND idempotency_key IS NOT NULL AND state <> 'released'",
        put: " AND idempotency_key IS NOT NULL AND state <> 'gone'",
      },
      {
        file: 'src/ledger/hold.ts',
        find: "if (!earlier || earlier.state === 'released') return null",
        put: "if (!earlier) return null\n  if (earlier.state === 'released') return { kind: 'repeated', requestId: earlier.id, state: 'held', charged: null, isSameBody: true }",
      },
    ],
    test: SIMULATION,
    says: /though it fits|another than/,
  },
  {
    name: 'balances are locked in the order in which they come',
    edits: [
      {
        file: 'src/ledger/transaction.ts',
        find: '.filter((id) => id !== null).sort()',
        put: '.filter((id) => id !== null)',
      },
    ],
    test: testOf('src/ledger/transaction.test.ts', 'locked in one order'),
    says: /locked in one order/,
  },
  {
    name: 'a balance is remembered between transactions',
    edits: [
      {
        file: 'src/store/account.ts',
        find: 'export async function lockAccount(sql: Sql, accountId: string): Promise<AccountRow | undefined> {\n',
        put: 'const remembered = new Map<string, AccountRow | undefined>()\nexport async function lockAccount(sql: Sql, accountId: string): Promise<AccountRow | undefined> {\n  if (!remembered.has(accountId)) remembered.set(accountId, await readAccount(sql, accountId))\n  if (remembered.size > 0) return remembered.get(accountId)\n',
      },
    ],
    test: SIMULATION,
    says: /changed while it was locked|never end|FAILED seed/,
  },
  {
    name: 'a balance is read without a lock',
    edits: [{ file: 'src/store/account.ts', find: ' /*postgres FOR UPDATE*/`, accountId', put: '`, accountId' }],
    test: testOf('src/ledger/transaction.test.ts', 'two processes at once'),
    says: /two processes at once/,
  },
]

const CREDIT: readonly PlantedBug[] = [
  {
    name: 'credit is granted again when the answer was lost',
    edits: [
      {
        file: 'src/ledger/credit.ts',
        find: 'if ((await hasTransfer(sql, transfer.id)) || (await loadLot(sql, lot.id))) return null',
        put: 'if ((await hasTransfer(sql, transfer.id)) && (await loadLot(sql, lot.id)) === undefined) return null',
      },
    ],
    test: SIMULATION,
    says: /lots instead of|FAILED seed/,
  },
  {
    name: 'a charge is refunded more than once',
    edits: [
      {
        file: 'src/control/refund.ts',
        find: 'const left = subtractUsd(charged, before.amount)',
        put: 'const left = charged',
      },
    ],
    test: testOf('src/control/refund.test.ts', 'never give back more'),
    says: /never give back more/,
  },
  {
    name: 'lots are drawn on youngest first',
    edits: [
      {
        file: 'src/store/lot.ts',
        find: 'ORDER BY priority, COALESCE(expires_at, 9223372036854775807), created_at, id',
        put: 'ORDER BY created_at DESC, id DESC',
      },
    ],
    test: SIMULATION,
    says: /of the lot/,
  },
  {
    name: 'credit expires by the clock of the machine',
    edits: [
      {
        file: 'src/ledger/expiry.ts',
        find: 'if (lot.expiresAtMs === null || lot.expiresAtMs > nowMs || amount === ZERO_USD) continue',
        put: 'if (lot.expiresAtMs === null || lot.expiresAtMs > Date.UTC(2100, 0) || amount === ZERO_USD) continue',
      },
    ],
    test: SIMULATION,
    says: /FAILED seed/,
  },
  {
    name: 'expired credit goes though it is held',
    edits: [
      {
        file: 'src/ledger/expiry.ts',
        find: 'const amount = subtractUsd(remaining, heldOfThis)',
        put: 'const amount = remaining',
      },
    ],
    test: SIMULATION,
    says: /FAILED seed/,
  },
]

const PRICES: readonly PlantedBug[] = [
  {
    name: 'a price is computed with floats',
    edits: [
      {
        file: 'src/base/money.ts',
        find: 'return ((nanoUsdTokens + TOKENS_PER_PRICE / 2n) / TOKENS_PER_PRICE) as NanoUsd',
        put: 'return BigInt(Math.round(Number(nanoUsdTokens) / Number(TOKENS_PER_PRICE))) as NanoUsd',
      },
    ],
    test: testOf('test/simulation/price-oracle.test.ts', 'exact fraction'),
    says: /exact fraction/,
  },
  {
    name: 'a tier begins with its threshold',
    edits: [
      {
        file: 'src/domain/price.ts',
        find: 'if (tokens > tier.above) rates = tier',
        put: 'if (tokens >= tier.above) rates = tier',
      },
    ],
    test: testOf('test/simulation/price-oracle.test.ts', 'exact fraction'),
    says: /exact fraction/,
  },
  {
    name: 'a reported zero is replaced by an estimate',
    edits: [
      {
        file: 'src/domain/charge-policy.ts',
        find: 'if (delivery.usage !== null && delivery.usageIsFinal)',
        put: 'if (delivery.usage !== null && delivery.usageIsFinal && delivery.usage.output > 0)',
      },
    ],
    test: testOf('test/simulation/odd-usage.test.ts', 'openai-chat'),
    says: /second reading/,
  },
  {
    name: 'a threshold of a sliding window is told again by each bucket',
    edits: [
      {
        file: 'src/ledger/events.ts',
        find: 'const threshold = reached(toldOf(counting), used, meter.limit, isFull)',
        put: 'const threshold = reached(toldOf([meter]), used, meter.limit, isFull)',
      },
    ],
    test: testOf('src/ledger/events.test.ts', 'told once'),
    says: /told once/,
  },
]

export const PLANTED_BUGS: readonly PlantedBug[] = [...ENDS, ...CRASHES, ...HOLDS, ...CREDIT, ...PRICES]
