/** Sample values for "Create a model response". */
import { ITEM_AROUND, ITEM_VALUES, ITEM_WHOLES } from './openai-responses-items.ts'
import { LOOK_UP, type Samples } from './sample.ts'

const user = { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'What is the weather?' }] }
const lookUp = { type: 'function', name: 'look_up', parameters: LOOK_UP, strict: false }
const patch = { type: 'custom', name: 'patch' }
const base = { model: 'gpt-5.5', input: [user] }
const withTools = { ...base, tools: [lookUp, patch] }
const call = { type: 'function_call', call_id: 'call_1', name: 'look_up', arguments: '{"place":"Bern"}' }
const otherCall = { ...call, call_id: 'call_3' }
const customCall = { type: 'custom_tool_call', call_id: 'call_2', name: 'patch', input: 'free text' }
const maps = {
  type: 'namespace',
  name: 'maps',
  description: 'Maps',
  tools: [{ type: 'function', name: 'route', parameters: LOOK_UP, strict: false }],
}
/** Tools that a choice can name, by type. */
const HOSTED: Readonly<Record<string, unknown>> = {
  file_search: { type: 'file_search', vector_store_ids: ['vs_1'] },
  mcp: { type: 'mcp', server_label: 'docs', server_url: 'https://example.com/mcp' },
  programmatic_tool_calling: { type: 'programmatic_tool_calling' },
  apply_patch: { type: 'apply_patch' },
  shell: { type: 'shell' },
}
const answer = {
  type: 'message',
  role: 'assistant',
  content: [{ type: 'output_text', text: 'Hello.', annotations: [] }],
}

/** Ids and states of items; the call's id tells which tool an output is of. */
const BOOK_KEEPING = [
  ...['message', 'function_call', 'function_call_output', 'reasoning'].map((type) => `input[]<${type}>.status`),
  ...['message', 'function_call', 'function_call_output', 'custom_tool_call', 'custom_tool_call_output'].map(
    (type) => `input[]<${type}>.id`,
  ),
  ...['name', 'namespace'].map((name) => `input[]<function_call_output>.${name}`),
]

export const RESPONSES_SAMPLES: Samples = {
  base,
  contexts: {
    'input[]<function_call>': withTools,
    'input[]<function_call_output>': { ...withTools, input: [user, call, otherCall] },
    'input[]<custom_tool_call>': withTools,
    'input[]<custom_tool_call_output>': { ...withTools, input: [user, customCall] },
    tool_choice: withTools,
    ...Object.fromEntries(
      Object.entries(HOSTED).map(([type, tool]) => [`tool_choice<${type}>`, { ...base, tools: [lookUp, tool] }]),
    ),
    parallel_tool_calls: withTools,
    max_tool_calls: withTools,
    stream_options: { ...base, stream: true },
    'tools[]': base,
  },
  around: ITEM_AROUND,
  after: {
    'input[]<function_call>': [{ type: 'function_call_output', call_id: 'call_7', output: '21 degrees' }],
    'input[]<custom_tool_call>': [{ type: 'custom_tool_call_output', call_id: 'call_8', output: 'done' }],
  },
  values: {
    ...ITEM_VALUES,
    background: true,
    include: ['reasoning.encrypted_content'],
    input: [user, answer, { role: 'user', content: 'And tomorrow?' }],
    instructions: 'Be brief.',
    max_output_tokens: 1000,
    max_tool_calls: 3,
    metadata: { team: 'a' },
    model: 'gpt-5.5',
    parallel_tool_calls: false,
    previous_response_id: 'resp_1',
    prompt_cache_key: 'session-1',
    prompt_cache_retention: '24h',
    reasoning: { effort: 'high' },
    'reasoning.context': 'all_turns',
    'reasoning.effort': 'high',
    'reasoning.generate_summary': 'auto',
    'reasoning.mode': 'pro',
    'reasoning.summary': 'auto',
    safety_identifier: 'user-1',
    service_tier: 'flex',
    store: true,
    stream: true,
    stream_options: { include_obfuscation: false },
    'stream_options.include_obfuscation': false,
    temperature: 0.5,
    text: { verbosity: 'low' },
    'text.verbosity': 'low',
    'text.format': { type: 'json_schema', name: 'answer', schema: LOOK_UP },
    'text.format<text>': { type: 'text' },
    'text.format<json_schema>': { type: 'json_schema', name: 'answer', schema: LOOK_UP },
    'text.format<json_schema>.description': 'Where',
    'text.format<json_schema>.strict': false,
    'text.format<json_object>': { type: 'json_object' },
    tool_choice: 'required',
    'tool_choice<allowed_tools>': {
      type: 'allowed_tools',
      mode: 'auto',
      tools: [{ type: 'function', name: 'look_up' }],
    },
    'tool_choice<file_search>': { type: 'file_search' },
    'tool_choice<function>': { type: 'function', name: 'look_up' },
    'tool_choice<mcp>': { type: 'mcp', server_label: 'docs' },
    'tool_choice<mcp>.name': 'find',
    'tool_choice<custom>': { type: 'custom', name: 'patch' },
    'tool_choice<programmatic_tool_calling>': { type: 'programmatic_tool_calling' },
    'tool_choice<apply_patch>': { type: 'apply_patch' },
    'tool_choice<shell>': { type: 'shell' },
    tools: [lookUp],
    'tools[]<function>': lookUp,
    'tools[]<function>.allowed_callers': ['programmatic'],
    'tools[]<function>.async': true,
    'tools[]<function>.defer_loading': true,
    'tools[]<function>.description': 'Looks a place up',
    'tools[]<function>.output_schema': LOOK_UP,
    'tools[]<function>.strict': true,
    'tools[]<custom>': patch,
    'tools[]<custom>.allowed_callers': ['programmatic'],
    'tools[]<custom>.async': true,
    'tools[]<custom>.defer_loading': true,
    'tools[]<custom>.description': 'Applies a patch',
    'tools[]<namespace>': maps,
    'tools[]<namespace>.description': 'Maps and routes',
    'tools[]<namespace>.tools[]<function>': { type: 'function', name: 'find', parameters: LOOK_UP },
    'tools[]<namespace>.tools[]<function>.allowed_callers': ['programmatic'],
    'tools[]<namespace>.tools[]<function>.async': true,
    'tools[]<namespace>.tools[]<function>.defer_loading': true,
    'tools[]<namespace>.tools[]<function>.description': 'Finds',
    'tools[]<namespace>.tools[]<function>.strict': true,
    top_logprobs: 3,
    top_p: 0.9,
    truncation: 'auto',
    user: 'user-1',
  },
  wholes: {
    ...ITEM_WHOLES,
    access_programs: { cyber: 'a' },
    context_management: [{ type: 'compaction', compact_threshold: 100_000 }],
    conversation: { id: 'conv_1' },
    image: { context_compression: 'auto' },
    moderation: { model: 'omni-moderation-latest' },
    prompt: { id: 'pmpt_1' },
    prompt_cache_options: { mode: 'explicit' },
    'text.format<json_schema>.schema': LOOK_UP,
    'tools[]<file_search>': HOSTED.file_search,
    'tools[]<computer>': { type: 'computer' },
    'tools[]<computer_use_preview>': {
      type: 'computer_use_preview',
      display_height: 768,
      display_width: 1024,
      environment: 'linux',
    },
    'tools[]<web_search>': { type: 'web_search' },
    'tools[]<mcp>': HOSTED.mcp,
    'tools[]<code_interpreter>': { type: 'code_interpreter', container: { type: 'auto' } },
    'tools[]<programmatic_tool_calling>': HOSTED.programmatic_tool_calling,
    'tools[]<image_generation>': { type: 'image_generation' },
    'tools[]<local_shell>': { type: 'local_shell' },
    'tools[]<shell>': HOSTED.shell,
    'tools[]<tool_search>': { type: 'tool_search' },
    'tools[]<web_search_preview>': { type: 'web_search_preview' },
    'tools[]<apply_patch>': HOSTED.apply_patch,
    'tools[]<custom>.format': { type: 'grammar', syntax: 'lark', definition: 'start: "a"' },
    'tools[]<namespace>.tools[]<function>.output_schema': LOOK_UP,
    'tools[]<namespace>.tools[]<function>.parameters': LOOK_UP,
  },
  silent: {
    model: 'the upstream’s own name of the model is sent',
    stream: 'sent as the protocol has it: in the body or in the path',
    stream_options: 'Zendo writes the stream, and pads none',
    'stream_options.include_obfuscation': 'Zendo writes the stream, and pads none',
    'text.format<text>': 'the default',
    include: '`reasoning.encrypted_content` is read by Zendo, which writes the reply; other values are dropped',
    'reasoning.summary': 'Zendo writes the reply: what the upstream shows of its thoughts is the summary',
    ...Object.fromEntries(
      BOOK_KEEPING.map((path) => [path, 'book-keeping of the conversation, of no meaning elsewhere']),
    ),
  },
}
