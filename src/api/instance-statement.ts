/** What the instance says of itself, to everybody. */
import { readStatement } from '../contract/instance-statement.ts'
import { describeRetention } from '../control/retention-statement.ts'
import { serve } from './operation-route.ts'
import type { RouteDefinition } from './routes.ts'

export const statementRoutes: readonly RouteDefinition[] = [
  serve(readStatement, async ({ control }) => describeRetention(control.catalog())),
]
