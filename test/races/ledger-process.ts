/** One node of a race as a process of its own: opens the database, and does what it is asked until nobody asks any more. */
import { reasonOf } from '../../src/store/database.ts'
import { type DatabasePlace, openDatabase } from '../../src/store/open-database.ts'
import type { DoubleName } from './doubles.ts'
import { type Answer, ledgerOn, type Question } from './nodes.ts'

const [place = '', double = 'none'] = process.argv.slice(2)
const database = await openDatabase(JSON.parse(place) as DatabasePlace, { nowMs: 0 })
const ledger = ledgerOn(database, double as DoubleName)

function tell(answer: Answer): void {
  if (process.connected) process.send?.(answer)
}

function work(question: Question): ReturnType<typeof ledger.hold | typeof ledger.end | typeof ledger.extend> {
  switch (question.ask) {
    case 'hold':
      return ledger.hold(question.command)
    case 'extend':
      return ledger.extend(question.command)
    case 'end':
      return ledger.end(question.command)
  }
}

process.on('message', (question: Question) => {
  const { n } = question
  work(question).then(
    (result) => tell({ n, result }),
    (error: unknown) => tell({ n, error: reasonOf(error) }),
  )
})
process.once('disconnect', async () => {
  await ledger.close()
  await database.close()
})
tell({ ready: true })
