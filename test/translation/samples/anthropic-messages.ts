/** Sample values for Anthropic's "Create a Message", its beta included. */
import { LOOK_UP, PDF, PNG, type Samples } from './sample.ts'

const user = { role: 'user', content: [{ type: 'text', text: 'What is the weather?' }] }
const assistant = { role: 'assistant', content: [{ type: 'text', text: 'Sunny.' }] }
const call = { type: 'tool_use', id: 'toolu_1', name: 'look_up', input: { place: 'Bern' } }
const lookUp = { name: 'look_up', input_schema: LOOK_UP }
const base = { model: 'claude-opus-5', max_tokens: 1000, messages: [user] }
const withTools = { ...base, tools: [lookUp] }
const called = {
  ...withTools,
  messages: [user, { role: 'assistant', content: [{ type: 'text', text: 'One moment.' }, call] }],
}
const cached = { type: 'ephemeral', ttl: '1h' }
const image = { type: 'base64', media_type: 'image/png', data: PNG }
const document = { type: 'base64', media_type: 'application/pdf', data: PDF }
const thinking = { type: 'enabled', budget_tokens: 4096 }
const schema = { type: 'json_schema', schema: LOOK_UP }

const SAID = 'messages[]<user>.content[]'
const ANSWERED = 'messages[]<assistant>.content[]'

/** Tools of a type of its own, which carry no schema: name by type. */
const TYPED_TOOLS: Readonly<Record<string, string>> = {
  bash_20241022: 'bash',
  bash_20250124: 'bash',
  code_execution_20250522: 'code_execution',
  code_execution_20250825: 'code_execution',
  code_execution_20260120: 'code_execution',
  code_execution_20260521: 'code_execution',
  browser_toolset_20260801: 'browser',
  computer_20241022: 'computer',
  memory_20250818: 'memory',
  computer_20250124: 'computer',
  computer_20251124: 'computer',
  computer_toolset_20260801: 'computer',
  text_editor_20241022: 'str_replace_editor',
  text_editor_20250124: 'str_replace_editor',
  text_editor_20250429: 'str_replace_based_edit_tool',
  text_editor_20250728: 'str_replace_based_edit_tool',
  web_search_20250305: 'web_search',
  web_search_20260209: 'web_search',
  web_search_20260318: 'web_search',
  web_fetch_20250910: 'web_fetch',
  web_fetch_20260209: 'web_fetch',
  web_fetch_20260309: 'web_fetch',
  web_fetch_20260318: 'web_fetch',
  advisor_20260301: 'advisor',
  tool_search_tool_bm25_20251119: 'tool_search_tool_bm25',
  tool_search_tool_regex_20251119: 'tool_search_tool_regex',
  mcp_toolset: 'docs',
}

/** Results of the vendor's own tools: they travel as one. */
const SERVER_RESULTS = [
  ...['web_search', 'web_fetch', 'advisor', 'code_execution', 'bash_code_execution', 'text_editor_code_execution'],
  'tool_search',
]

export const MESSAGES_SAMPLES: Samples = {
  base,
  contexts: {
    [`${SAID}<tool_result>`]: called,
    [ANSWERED]: withTools,
    tool_choice: withTools,
    thinking: { ...base, max_tokens: 10_000 },
    'messages[]<system>': base,
  },
  after: {
    [`${ANSWERED}<tool_use>`]: [
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: '21 degrees' }] },
    ],
  },
  values: {
    max_tokens: 2000,
    messages: [user, assistant, { role: 'user', content: 'And tomorrow?' }],
    'messages[]<user>': user,
    'messages[]<assistant>': assistant,
    'messages[]<system>': { role: 'system', content: [{ type: 'text', text: 'Be brief.' }] },
    'messages[]<system>.clear_at': 'next_user_message',
    'messages[]<system>.output_config': { effort: 'low' },
    'messages[]<system>.output_config.effort': 'low',
    [`${SAID}<text>`]: { type: 'text', text: 'And tomorrow?' },
    [`${SAID}<image>`]: { type: 'image', source: image },
    [`${SAID}<image>.source<base64>`]: image,
    [`${SAID}<image>.source<url>`]: { type: 'url', url: 'https://example.com/a.png' },
    [`${SAID}<image>.source<file>`]: { type: 'file', file_id: 'file_1' },
    [`${SAID}<document>`]: { type: 'document', source: document },
    [`${SAID}<document>.source<base64>`]: document,
    [`${SAID}<document>.source<text>`]: { type: 'text', media_type: 'text/plain', data: 'The weather report' },
    [`${SAID}<document>.source<url>`]: { type: 'url', url: 'https://example.com/a.pdf' },
    [`${SAID}<document>.source<file>`]: { type: 'file', file_id: 'file_1' },
    [`${SAID}<document>.context`]: 'From the archive',
    [`${SAID}<document>.title`]: 'Report',
    [`${SAID}<search_result>`]: {
      type: 'search_result',
      source: 'https://example.com',
      title: 'Weather',
      content: [{ type: 'text', text: 'Sunny' }],
    },
    [`${ANSWERED}<thinking>`]: { type: 'thinking', thinking: 'It is July.', signature: 'c2lnbmF0dXJl' },
    [`${ANSWERED}<redacted_thinking>`]: { type: 'redacted_thinking', data: 'ZW5jcnlwdGVk' },
    [`${ANSWERED}<tool_use>`]: call,
    [`${ANSWERED}<tool_use>.toolset_name`]: 'browser',
    [`${SAID}<tool_result>`]: {
      type: 'tool_result',
      tool_use_id: 'toolu_1',
      content: [{ type: 'text', text: '21 degrees' }],
    },
    [`${SAID}<tool_result>.content`]: '21 degrees',
    [`${SAID}<tool_result>.content[]<image>`]: { type: 'image', source: image },
    [`${SAID}<tool_result>.is_error`]: true,
    [`${SAID}<tool_result>.toolset_name`]: 'browser',
    model: 'claude-opus-5',
    inference_geo: 'eu',
    metadata: { user_id: 'user-1' },
    'metadata.user_id': 'user-1',
    output_config: { effort: 'high' },
    'output_config.effort': 'high',
    'output_config.task_budget': { type: 'tokens', total: 50_000 },
    'output_config.task_budget.remaining': 10_000,
    service_tier: 'standard_only',
    speed: 'fast',
    stop_sequences: ['END'],
    stream: true,
    system: 'Be brief.',
    thinking,
    'thinking<enabled>': thinking,
    'thinking<enabled>.display': 'summarized',
    'thinking<disabled>': { type: 'disabled' },
    'thinking<between_tools>': { type: 'between_tools' },
    'thinking<adaptive>': { type: 'adaptive' },
    'thinking<adaptive>.display': 'summarized',
    tool_choice: { type: 'any' },
    'tool_choice<auto>': { type: 'auto' },
    'tool_choice<auto>.disable_parallel_tool_use': true,
    'tool_choice<any>': { type: 'any' },
    'tool_choice<any>.disable_parallel_tool_use': true,
    'tool_choice<tool>': { type: 'tool', name: 'look_up' },
    'tool_choice<tool>.disable_parallel_tool_use': true,
    'tool_choice<none>': { type: 'none' },
    tools: [lookUp],
    'tools[]<custom>': lookUp,
    'tools[]<custom>.allowed_callers': ['code_execution_20260120'],
    'tools[]<custom>.defer_loading': true,
    'tools[]<custom>.description': 'Looks a place up',
    'tools[]<custom>.eager_input_streaming': true,
    'tools[]<custom>.input_examples': [{ place: 'Bern' }],
    'tools[]<custom>.strict': true,
    betas: ['context-1m-2025-08-07'],
    user_profile_id: 'profile_1',
    workspace_id: 'workspace_1',
    // Taken by models before Opus 4.7, and by compatible vendors.
    temperature: 0.5,
    top_k: 20,
    top_p: 0.9,
  },
  wholes: {
    [`${SAID}<text>.cache_control`]: cached,
    [`${SAID}<text>.citations`]: [
      {
        type: 'char_location',
        cited_text: 'a',
        document_index: 0,
        document_title: null,
        start_char_index: 0,
        end_char_index: 1,
      },
    ],
    [`${SAID}<image>.cache_control`]: cached,
    [`${SAID}<image>.transformations`]: { oversized_image: 'error' },
    [`${SAID}<document>.source<content>`]: { type: 'content', content: [{ type: 'text', text: 'Report' }] },
    [`${SAID}<document>.cache_control`]: cached,
    [`${SAID}<document>.citations`]: { enabled: true },
    [`${SAID}<search_result>.cache_control`]: cached,
    [`${SAID}<search_result>.citations`]: { enabled: true },
    [`${ANSWERED}<tool_use>.cache_control`]: cached,
    [`${ANSWERED}<tool_use>.caller`]: { type: 'direct' },
    [`${SAID}<tool_result>.cache_control`]: cached,
    [`${SAID}<tool_result>.content[]<tool_reference>`]: { type: 'tool_reference', tool_name: 'look_up' },
    [`${SAID}<tool_result>.content[]<browser_state>`]: { type: 'browser_state', tabs: [] },
    [`${SAID}<container_upload>`]: { type: 'container_upload', file_id: 'file_1' },
    [`${SAID}<tool_addition>`]: { type: 'tool_addition', tool: { type: 'tool_reference', tool_name: 'look_up' } },
    [`${SAID}<tool_removal>`]: { type: 'tool_removal', tool: { type: 'tool_reference', tool_name: 'look_up' } },
    ...Object.fromEntries(
      SERVER_RESULTS.map((name) => {
        const type = `${name}_tool_result`
        return [`${ANSWERED}<${type}>`, { type, tool_use_id: 'srvtoolu_1', content: [] }]
      }),
    ),
    [`${ANSWERED}<server_tool_use>`]: {
      type: 'server_tool_use',
      id: 'srvtoolu_1',
      name: 'web_search',
      input: { query: 'a' },
    },
    [`${ANSWERED}<mcp_tool_use>`]: {
      type: 'mcp_tool_use',
      id: 'mcptoolu_1',
      name: 'find',
      server_name: 'docs',
      input: {},
    },
    [`${ANSWERED}<mcp_tool_result>`]: { type: 'mcp_tool_result', tool_use_id: 'mcptoolu_1', content: 'found' },
    [`${ANSWERED}<mcp_tool_listing>`]: { type: 'mcp_tool_listing', mcp_server_name: 'docs', tools: [] },
    [`${ANSWERED}<compaction>`]: { type: 'compaction', content: 'They spoke of the weather.' },
    [`${ANSWERED}<fallback>`]: { type: 'fallback', from: { model: 'a' }, to: { model: 'b' } },
    'thinking<enabled>.block_binding': { prefix_mismatch_behavior: 'drop' },
    'thinking<adaptive>.block_binding': { prefix_mismatch_behavior: 'drop' },
    'output_config.format': schema,
    output_format: schema,
    'tools[]<custom>.cache_control': cached,
    'tools[]<custom>.input_schema': LOOK_UP,
    ...Object.fromEntries(Object.entries(TYPED_TOOLS).map(([type, name]) => [`tools[]<${type}>`, { type, name }])),
    cache_control: cached,
    billing_policy: { type: 'billing_policy' },
    compaction: { type: 'enabled' },
    container: { id: 'container_1' },
    context_management: { edits: [{ type: 'clear_tool_uses_20250919' }] },
    diagnostics: { previous_message_id: 'msg_1' },
    fallback_credit_token: 'token',
    fallbacks: [{ model: 'claude-sonnet-5' }],
    mcp_servers: [{ type: 'url', name: 'docs', url: 'https://example.com/mcp' }],
    thread: { type: 'create' },
  },
  silent: {
    model: 'the upstream’s own name of the model is sent',
    stream: 'sent as the protocol has it: in the body or in the path',
    'tool_choice<auto>': 'the default',
    'thinking<adaptive>': 'the model decides, as it does by default',
    'thinking<enabled>.display': 'Zendo writes the reply: what the upstream shows of its thoughts is shown',
    'thinking<adaptive>.display': 'Zendo writes the reply: what the upstream shows of its thoughts is shown',
  },
}
