/** Commands made from operations: what is typed reaches the operation as the API would get it, and goes on record. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Command } from 'commander'
import { allOperations } from '../contract/all-operations.ts'
import type { Session } from './command-line.ts'
import { buildProgram } from './main.ts'
import { isCommand, operationOf } from './operation.ts'
import { formatReply } from './reply-text.ts'
import { createTestCommandLine } from './test-command-line.ts'

function commandsBelow(command: Command): Command[] {
  return [command, ...command.commands.flatMap(commandsBelow)]
}

describe('a command made from an operation', () => {
  it('exists for each operation that a shell can ask, where none is made by hand', () => {
    const all = commandsBelow(buildProgram({} as Session))
    const words = new Set(all.map((command) => `${command.parent?.name() ?? ''} ${command.name()}`))
    const missing = allOperations.filter((shape) => {
      const [group = '', ...verbs] = shape.id.replaceAll('_', '-').split('.')
      return isCommand(shape) && !words.has(`${group} ${verbs.join('-')}`)
    })
    assert.deepEqual(missing, [])
    const made = all.flatMap((command) => operationOf(command) ?? [])
    assert.ok(made.length > 30)
    assert.ok(made.every(({ access }) => access !== 'public'))
  })

  it('changes the instance in the name of the shell, on record', async (t) => {
    const { json } = await createTestCommandLine(t)
    const made = await json('workspace', 'create', '--name', 'second')
    const list = await json('audit-log', 'list')
    const [entry] = list.data as { action: string; target: string; actor: { kind: string } }[]
    assert.deepEqual([entry?.action, entry?.target, entry?.actor.kind], ['workspace.create', made.id, 'shell'])
  })

  it('takes lists, switches, numbers and null as the operation wants them', async (t) => {
    const { json } = await createTestCommandLine(t)
    const change = ['--curation', 'only', '--models', 'sim/echo,sim/free', '--zero-retention-only', 'on']
    const policy = await json('policy', 'update', ...change, '--regions', 'none')
    assert.deepEqual(policy.models, ['sim/echo', 'sim/free'])
    assert.equal(policy.zero_retention_only, true)
    assert.equal(policy.regions, null)
    const { data } = await json('audit-log', 'list', '--limit', '1')
    assert.equal((data as unknown[]).length, 1)
  })

  it('finds members by their names, as commands made by hand do', async (t) => {
    const { json } = await createTestCommandLine(t)
    const { id } = await json('member', 'create', '--name', 'robot')
    assert.equal((await json('member', 'read', '--member', 'robot')).id, id)
    assert.equal((await json('seat', 'assign', '--member', 'robot', '--plan', 'go')).member, id)
  })

  it('is refused as the API would refuse it, and says which option is wrong', async (t) => {
    const { run } = await createTestCommandLine(t)
    const refused = await run('member', 'read', '--member', 'nobody')
    assert.equal(refused.exitCode, 1)
    const noNumber = await run('audit-log', 'list', '--limit', 'many')
    assert.deepEqual([noNumber.exitCode, noNumber.stderr], [2, '--limit takes a number\n'])
    const noSwitch = await run('policy', 'update', '--allow-training', 'perhaps')
    assert.deepEqual([noSwitch.exitCode, noSwitch.stderr], [2, '--allow-training is either on or off\n'])
  })

  it('takes a secret from the environment alone, and says which variable is missing', async (t) => {
    const { run } = await createTestCommandLine(t)
    const save = ['credential', 'save', '--provider', 'openai', '--api-key']
    const plain = await run(...save, 'sk-plain-on-the-command-line')
    assert.equal(plain.exitCode, 2)
    assert.ok(!plain.stderr.includes('sk-plain'))
    const unset = await run(...save, 'env:NO_SUCH_VARIABLE')
    assert.match(unset.stderr, /NO_SUCH_VARIABLE is not set/)
  })

  it('prints what people wrote so that no terminal obeys it', () => {
    const name = 'a\u001b[2J\u0007b'
    for (const reply of [{ name }, { data: [{ name }], next_cursor: null }, { data: [{ tags: [name] }] }]) {
      assert.match(formatReply(reply), /^[\P{Cc}\n]*$/u)
    }
  })
})
