/** Asks for Google's other framing, one JSON array, which its library never does; read as any HTTP client would. */
import { post } from '../../support/http.ts'
import { CONTENT, type Line, type Question, TOOL_SCHEMA } from './question.ts'
import { type GoogleChunk, seenOfChunks } from './read-google.ts'
import { NOTHING, type Seen } from './seen.ts'

interface Element extends GoogleChunk {
  readonly error?: { readonly code: number; readonly message: string }
}

export async function readGoogleArray(line: Line, { model, tools }: Question): Promise<Seen> {
  const declarations = tools.map(({ name }) => ({ name, parametersJsonSchema: TOOL_SCHEMA }))
  const request = {
    contents: [{ role: 'user', parts: [{ text: CONTENT }] }],
    generationConfig: { thinkingConfig: { includeThoughts: true } },
    ...(tools.length > 0 && { tools: [{ functionDeclarations: declarations }] }),
  }
  const url = `${line.baseUrl}/zen/v1beta/models/${model}:streamGenerateContent`
  const reply = await post(url, { 'x-goog-api-key': line.key }, Buffer.from(JSON.stringify(request)))
  line.note(reply.status, reply.headers)
  const text = reply.body.toString('utf8')
  if (reply.status !== 200) return { ...NOTHING, failure: failureIn(JSON.parse(text) as Element) }
  // A stream that broke lacks its closing bracket, and nothing else.
  const elements = JSON.parse(reply.ended ? text : `${text}]`) as Element[]
  const seen = seenOfChunks(elements)
  const failure = failureIn(elements.at(-1) ?? {})
  return { ...seen, failure: failure ?? (reply.ended ? null : { status: null, message: 'the connection broke' }) }
}

function failureIn({ error }: Element): Seen['failure'] {
  return error ? { status: error.code, message: error.message } : null
}
