/** Writes `docs/reference/route-matrix.md`. */
import { writeFileSync } from 'node:fs'
import { allRoutes } from '../../src/api/all-routes.ts'
import { matrixPage } from './matrix.ts'

writeFileSync(new URL('../../docs/reference/route-matrix.md', import.meta.url), matrixPage(allRoutes))
