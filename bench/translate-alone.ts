/** A process that only translates: does it so many times as it is told, answers over IPC with how long it took. */
import { type Turns, timeTranslations } from './translation-time.ts'

process.on('message', (turns: Turns) => process.send?.(timeTranslations(turns)))
process.on('disconnect', () => process.exit(0))
