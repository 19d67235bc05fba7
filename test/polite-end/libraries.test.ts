/** The official libraries and the AI SDK read a stream that was ended early as one that met its cap on output. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PROTOCOLS } from '../../src/base/words.ts'
import { check, isReadable, type Library } from './check.ts'
import { allScripts } from './scripts.ts'

/** Streams that a library does not read whole either, most for what a vendor does in its own way. */
const UNREADABLE: Readonly<Record<Library, readonly string[]>> = {
  official: [
    'openai-chat/parallel-tools-whole to openai-chat',
    'openai-chat/running-usage-crlf to openai-chat',
    'anthropic-messages/no-usage to anthropic-messages',
  ],
  'ai-sdk': [
    'openai-chat/two-choices to openai-chat',
    'openai-responses/custom-tool to openai-chat',
    'anthropic-messages/no-usage to anthropic-messages',
    'anthropic-messages/server-tool-grows-usage to anthropic-messages',
  ],
}

const scripts = allScripts()

describe('a stream that is ended early', () => {
  const unreadable: Record<Library, string[]> = { official: [], 'ai-sdk': [] }
  for (const to of PROTOCOLS) {
    for (const library of ['official', 'ai-sdk'] as const) {
      for (const from of PROTOCOLS) {
        test(`${from} to ${to} is read at every event as one that met its cap (${library})`, async () => {
          const problems: string[] = []
          for (const script of scripts.filter((one) => one.from === from)) {
            const found = await check(script, to, library)
            if (found.length === 0 || (await isReadable(script, to, library))) problems.push(...found)
            else unreadable[library].push(`${script.name} to ${to}`)
          }
          assert.deepEqual(problems, [])
        })
      }
    }
  }

  test('none is left out but those that the library does not read whole either', () => {
    assert.deepEqual(unreadable, UNREADABLE)
  })
})
