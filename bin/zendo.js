#!/usr/bin/env node
// Runs the command line on the pinned runtime, whatever Node it is started with. Plain JavaScript for Node 20 and newer.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'

const PINNED_MAJOR = 26
/**
 * Large request bodies are memory outside V8's heap. By default V8 collects the whole heap for every thirty of them; told
 * to count that memory against the heap's own limit, it does not. `npm start` has the same flags.
 */
const SERVER_FLAGS = ['--external-memory-accounted-in-global-limit', '--initial-old-space-size=256']
const flags = process.argv[2] === 'serve' ? SERVER_FLAGS : []
const RUNTIME = fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url))

if (!existsSync(RUNTIME)) {
  console.error(`zendo: its packages are not installed (no ${RUNTIME}). Run "npm ci" in the directory of Zendo first.`)
  process.exitCode = 1
} else if (isPinnedRuntime() && flags.every((flag) => process.execArgv.includes(flag))) await runHere()
else runOnPinnedRuntime()

function isPinnedRuntime() {
  return Number(process.versions.node.split('.')[0]) >= PINNED_MAJOR
}

async function runHere() {
  const { runCommandLine } = await import('../src/cli/main.ts')
  // A reader that has seen enough (`zendo usage | head`) is no failure, and must not end a server.
  process.stdout.on('error', () => {})
  process.exitCode = await runCommandLine(process.argv.slice(2), {
    env: process.env,
    cwd: process.cwd(),
    clock: Date.now,
    randomBytes,
    stdout: (text) => process.stdout.write(text),
    stderr: (text) => process.stderr.write(text),
    serve: startServer,
    operate,
  })
}

async function startServer(env) {
  const { runUntilSignal } = await import('../src/main.ts')
  await runUntilSignal(env)
}

async function operate(env, database, clock) {
  const [{ openOperator }, { readSettings }] = await Promise.all([
    import('../src/operate.ts'),
    import('../src/settings.ts'),
  ])
  return openOperator(readSettings(env), database, env, clock)
}

function runOnPinnedRuntime() {
  const child = spawn(RUNTIME, [...flags, ...process.argv.slice(1)], { stdio: 'inherit' })
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  for (const signal of signals) {
    process.on(signal, () => {
      // Ctrl-C on a terminal reaches the child by itself; twice would mean "at once" to a server that is draining.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
    })
  }
  child.once('error', (error) => {
    console.error(`zendo: ${error.message}`)
    process.exitCode = 1
  })
  child.once('exit', (code, signal) => {
    process.exitCode = code ?? 128 + constants.signals[signal]
  })
}
