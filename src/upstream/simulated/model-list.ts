/** The list of simulated models in the form of either vendor. */
import { formatInstant, SECOND_MS } from '../../base/time.ts'
import { SIMULATED_MODELS } from './scenarios.ts'

export function listModels(protocol: 'openai-chat' | 'anthropic-messages', nowMs: number): unknown {
  return protocol === 'openai-chat' ? openAiList(nowMs) : anthropicList(nowMs)
}

function openAiList(nowMs: number): unknown {
  const created = Math.floor(nowMs / SECOND_MS)
  return {
    object: 'list',
    data: SIMULATED_MODELS.map((id) => ({ id, object: 'model', created, owned_by: 'simulated' })),
  }
}

function anthropicList(nowMs: number): unknown {
  const data = SIMULATED_MODELS.map((id) => ({
    type: 'model',
    id,
    display_name: `Simulated ${id}`,
    created_at: formatInstant(nowMs),
  }))
  return { data, has_more: false, first_id: SIMULATED_MODELS[0], last_id: SIMULATED_MODELS.at(-1) }
}
