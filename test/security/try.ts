import { canaries } from './canaries.ts'
for (const c of [canaries]) {
const t=performance.now()
try {
const r = await c.run({seed:1,isLong:process.argv[2]==='long'}); console.log(c.id, r.figures, r.skipped, r.violations.length, Math.round(performance.now()-t)); for (const v of new Set(r.violations)) console.log('  ', v)
const k = await c.control({seed:1,isLong:process.argv[2]==='long'}); console.log('  control', k.violations.slice(0,5), k.violations.length)
} catch (e) { console.log(e) }
}
process.exit()
