/** Several ledgers on one database at once: as many objects in this process, or as many processes. */
import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { describe, type TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import pino from 'pino'
import type { EndCommand, EndResult, ExtendCommand, HoldCommand, HoldResult } from '../../src/ledger/command.ts'
import { createLedger, type Ledger } from '../../src/ledger/ledger.ts'
import type { Database } from '../../src/store/database.ts'
import type { DatabasePlace } from '../../src/store/open-database.ts'
import { forEachEngine, type TestEngine, type TestStore } from '../support/engines.ts'
import { DOUBLES, type DoubleName } from './doubles.ts'

export interface RaceNode {
  hold(command: HoldCommand): Promise<HoldResult>
  extend(command: ExtendCommand): Promise<boolean>
  end(command: EndCommand): Promise<EndResult>
}

export interface Field {
  /** To look at, and to prepare with. */
  readonly db: Database
  readonly nodes: readonly RaceNode[]
  /** The node whose turn it is, for the i-th client. */
  nodeOf(i: number): RaceNode
}

export type Setting = 'one process' | 'three processes'

const NODES = 3
/** A slow machine is no fault: nothing here is refused because it took long. */
const PATIENCE = { holdMs: 30_000, spillMs: 30_000 }

/** Defines tests for each engine, with ledgers in one process and in three. */
export function forEachField(define: (engine: TestEngine, setting: Setting) => void): void {
  forEachEngine((engine) => {
    for (const setting of ['one process', 'three processes'] as const) {
      describe(`in ${setting}`, () => define(engine, setting))
    }
  })
}

export async function createField(
  t: TestContext,
  engine: TestEngine,
  setting: Setting = 'one process',
  double: DoubleName = 'none',
): Promise<Field> {
  const store = await engine.createStore(t)
  const db = await store.open()
  const nodes = setting === 'one process' ? await openNodes(t, store, double) : await forkNodes(t, store.place, double)
  return {
    db,
    nodes,
    nodeOf(i) {
      const node = nodes[i % nodes.length]
      if (!node) throw new Error('there are no nodes')
      return node
    },
  }
}

/** The ledger of one node, on a database with this safeguard taken out. */
export function ledgerOn(database: Database, double: DoubleName): Ledger {
  const log = pino({ level: 'silent' })
  return createLedger({ database: DOUBLES[double](database), spill: null, receivers: () => [], log, ...PATIENCE })
}

async function openNodes(t: TestContext, store: TestStore, double: DoubleName): Promise<RaceNode[]> {
  const nodes: RaceNode[] = []
  while (nodes.length < NODES) {
    const ledger = ledgerOn(await store.open(), double)
    nodes.push(ledger)
    t.after(() => ledger.close())
  }
  return nodes
}

/** What a process is asked, and what it answers. Both hold `bigint`s, so they go as structured clones. */
export type Question = { readonly n: number } & (
  | { readonly ask: 'hold'; readonly command: HoldCommand }
  | { readonly ask: 'extend'; readonly command: ExtendCommand }
  | { readonly ask: 'end'; readonly command: EndCommand }
)
export type Answer =
  | { readonly ready: true }
  | { readonly n: number; readonly result: Result }
  | { readonly n: number; readonly error: string }

type Asked = Question extends infer Q ? (Q extends Question ? Omit<Q, 'n'> : never) : never

async function forkNodes(t: TestContext, place: DatabasePlace, double: DoubleName): Promise<RaceNode[]> {
  const starting = Array.from({ length: NODES }, () => forkNode(t, place, double))
  return Promise.all(starting)
}

async function forkNode(t: TestContext, place: DatabasePlace, double: DoubleName): Promise<RaceNode> {
  const file = join(import.meta.dirname, 'ledger-process.ts')
  const child = fork(file, [JSON.stringify(place), double], { serialization: 'advanced' })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  t.after(async () => {
    // The end of the channel is the end of the process.
    if (child.connected) child.disconnect()
    await exited
  })
  const waiting: Waiting = new Map()
  await new Promise<void>((resolve, reject) => {
    child.once('exit', (code) => {
      reject(new Error(`a ledger's process ended with ${code}`))
      for (const one of waiting.values()) one.reject(new Error(`a ledger's process ended with ${code}`))
    })
    child.on('message', (answer: Answer) => {
      if ('ready' in answer) return resolve()
      const one = waiting.get(answer.n)
      waiting.delete(answer.n)
      if ('error' in answer) one?.reject(new Error(answer.error))
      else one?.resolve(answer.result)
    })
  })
  return nodeBehind(child, waiting)
}

type Result = HoldResult | EndResult | boolean
type Waiting = Map<number, { readonly resolve: (result: Result) => void; readonly reject: (error: Error) => void }>

function nodeBehind(child: ChildProcess, waiting: Waiting): RaceNode {
  let asked = 0
  const ask = (question: Asked): Promise<Result> =>
    new Promise((resolve, reject) => {
      const n = ++asked
      waiting.set(n, { resolve, reject })
      child.send({ n, ...question })
    })
  return {
    hold: (command) => ask({ ask: 'hold', command }) as Promise<HoldResult>,
    extend: (command) => ask({ ask: 'extend', command }) as Promise<boolean>,
    end: (command) => ask({ ask: 'end', command }) as Promise<EndResult>,
  }
}

/** Lets others go first for some turns of the event loop: clients do not come in step. */
export async function dawdle(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await setImmediate()
}
