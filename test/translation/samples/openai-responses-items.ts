/** Sample values for the input items of "Create a model response". */
import { PDF, PNG } from './sample.ts'

const url = `data:image/png;base64,${PNG}`
const pdf = `data:application/pdf;base64,${PDF}`
const breakpoint = { mode: 'explicit' }
const programme = { type: 'program', program_id: 'prog_1' }
const MESSAGE = 'input[]<message>'
const PART = 'input[]<message>.content[]'
const OUTPUT = 'input[]<function_call_output>'
const CUSTOM_OUTPUT = 'input[]<custom_tool_call_output>'

/** A part has one source: what stands around the others. */
const UNSOURCED = ['file_id', 'file_url', 'image_url', 'file_data']

export const ITEM_AROUND: Readonly<Record<string, Readonly<Record<string, unknown>>>> = Object.fromEntries(
  [PART, `${OUTPUT}.output[]`].flatMap((list) =>
    ['input_image', 'input_file'].flatMap((type) =>
      UNSOURCED.map((name) => [`${list}<${type}>.${name}`, { [`${list}<${type}>`]: { type } }] as const),
    ),
  ),
)

export const ITEM_VALUES: Readonly<Record<string, unknown>> = {
  [MESSAGE]: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Good morning.' }] },
  [`${PART}<input_text>`]: { type: 'input_text', text: 'And tomorrow?' },
  [`${PART}<input_image>`]: { type: 'input_image', image_url: url },
  [`${PART}<input_image>.detail`]: 'low',
  [`${PART}<input_image>.file_id`]: 'file-1',
  [`${PART}<input_image>.image_url`]: url,
  [`${PART}<input_file>`]: { type: 'input_file', file_data: pdf, filename: 'a.pdf' },
  [`${PART}<input_file>.detail`]: 'low',
  [`${PART}<input_file>.file_data`]: pdf,
  [`${PART}<input_file>.file_id`]: 'file-1',
  [`${PART}<input_file>.file_url`]: 'https://example.com/a.pdf',
  [`${PART}<input_file>.filename`]: 'a.pdf',
  [`${PART}<output_text>`]: { type: 'output_text', text: 'Sunny.', annotations: [] },
  [`${PART}<refusal>`]: { type: 'refusal', refusal: 'I cannot say.' },
  [`${MESSAGE}.phase`]: 'commentary',
  [`${MESSAGE}.status`]: 'completed',
  [`${MESSAGE}.id`]: 'msg_1',
  'input[]<function_call>': {
    type: 'function_call',
    call_id: 'call_7',
    name: 'look_up',
    arguments: '{"place":"Bern"}',
  },
  'input[]<function_call>.id': 'fc_1',
  'input[]<function_call>.async': true,
  'input[]<function_call>.namespace': 'maps',
  'input[]<function_call>.status': 'completed',
  [OUTPUT]: { type: 'function_call_output', call_id: 'call_1', output: [{ type: 'input_text', text: '21 degrees' }] },
  [`${OUTPUT}.output[]<input_text>`]: { type: 'input_text', text: 'and sunny' },
  [`${OUTPUT}.output[]<input_image>`]: { type: 'input_image', image_url: url },
  [`${OUTPUT}.output[]<input_image>.detail`]: 'low',
  [`${OUTPUT}.output[]<input_image>.file_id`]: 'file-1',
  [`${OUTPUT}.output[]<input_image>.image_url`]: url,
  [`${OUTPUT}.output[]<input_file>`]: { type: 'input_file', file_data: pdf, filename: 'a.pdf' },
  [`${OUTPUT}.output[]<input_file>.detail`]: 'low',
  [`${OUTPUT}.output[]<input_file>.file_data`]: pdf,
  [`${OUTPUT}.output[]<input_file>.file_id`]: 'file-1',
  [`${OUTPUT}.output[]<input_file>.file_url`]: 'https://example.com/a.pdf',
  [`${OUTPUT}.output[]<input_file>.filename`]: 'a.pdf',
  [`${OUTPUT}.id`]: 'fco_1',
  [`${OUTPUT}.call_id`]: 'call_3',
  [`${OUTPUT}.name`]: 'look_up',
  [`${OUTPUT}.namespace`]: 'maps',
  [`${OUTPUT}.status`]: 'completed',
  'input[]<reasoning>': {
    type: 'reasoning',
    id: 'rs_1',
    summary: [{ type: 'summary_text', text: 'It is July.' }],
  },
  'input[]<reasoning>.encrypted_content': 'ZW5jcnlwdGVk',
  'input[]<reasoning>.status': 'completed',
  [CUSTOM_OUTPUT]: {
    type: 'custom_tool_call_output',
    call_id: 'call_2',
    output: [{ type: 'input_text', text: 'done' }],
  },
  [`${CUSTOM_OUTPUT}.output[]<input_text>`]: { type: 'input_text', text: 'and done' },
  [`${CUSTOM_OUTPUT}.id`]: 'cto_1',
  'input[]<custom_tool_call>': { type: 'custom_tool_call', call_id: 'call_8', name: 'patch', input: 'free text' },
  'input[]<custom_tool_call>.id': 'ctc_1',
  'input[]<custom_tool_call>.async': true,
  'input[]<custom_tool_call>.namespace': 'files',
}

export const ITEM_WHOLES: Readonly<Record<string, unknown>> = {
  [`${PART}<input_text>.prompt_cache_breakpoint`]: breakpoint,
  [`${PART}<input_image>.prompt_cache_breakpoint`]: breakpoint,
  [`${PART}<input_file>.prompt_cache_breakpoint`]: breakpoint,
  [`${PART}<output_text>.annotations`]: [
    { type: 'url_citation', url: 'https://example.com', title: 'Weather', start_index: 0, end_index: 6 },
  ],
  [`${PART}<output_text>.logprobs`]: [{ token: 'Sunny', bytes: [], logprob: -0.1, top_logprobs: [] }],
  [`${OUTPUT}.output[]<input_text>.prompt_cache_breakpoint`]: breakpoint,
  [`${OUTPUT}.output[]<input_image>.prompt_cache_breakpoint`]: breakpoint,
  [`${OUTPUT}.output[]<input_file>.prompt_cache_breakpoint`]: breakpoint,
  'input[]<function_call>.caller': programme,
  [`${OUTPUT}.caller`]: programme,
  'input[]<custom_tool_call>.caller': programme,
  [`${CUSTOM_OUTPUT}.caller`]: programme,
  'input[]<reasoning>.content': [{ type: 'reasoning_text', text: 'It is July, so it is warm.' }],
  'input[]<file_search_call>': { type: 'file_search_call', id: 'fs_1', queries: ['a'], status: 'completed' },
  'input[]<computer_call>': {
    type: 'computer_call',
    id: 'cu_1',
    call_id: 'call_3',
    status: 'completed',
    pending_safety_checks: [],
  },
  'input[]<computer_call_output>': {
    type: 'computer_call_output',
    call_id: 'call_3',
    output: { type: 'computer_screenshot', image_url: url },
  },
  'input[]<web_search_call>': {
    type: 'web_search_call',
    id: 'ws_1',
    status: 'completed',
    action: { type: 'search', query: 'a' },
  },
  'input[]<tool_search_call>': { type: 'tool_search_call', id: 'ts_1', arguments: {} },
  'input[]<tool_search_output>': { type: 'tool_search_output', tools: [] },
  'input[]<additional_tools>': { type: 'additional_tools', role: 'developer', tools: [] },
  'input[]<configuration_update>': { type: 'configuration_update', reasoning: { effort: 'low' } },
  'input[]<compaction>': { type: 'compaction', encrypted_content: 'ZW5jcnlwdGVk' },
  'input[]<image_generation_call>': { type: 'image_generation_call', id: 'ig_1', status: 'completed', result: PNG },
  'input[]<code_interpreter_call>': {
    type: 'code_interpreter_call',
    id: 'ci_1',
    code: 'print(1)',
    container_id: 'c_1',
    outputs: [],
    status: 'completed',
  },
  'input[]<local_shell_call>': {
    type: 'local_shell_call',
    id: 'ls_1',
    call_id: 'call_4',
    status: 'completed',
    action: { type: 'exec', command: ['ls'], env: {} },
  },
  'input[]<local_shell_call_output>': { type: 'local_shell_call_output', id: 'call_4', output: 'a.txt' },
  'input[]<shell_call>': { type: 'shell_call', call_id: 'call_5', action: { commands: ['ls'] } },
  'input[]<shell_call_output>': {
    type: 'shell_call_output',
    call_id: 'call_5',
    output: [{ stdout: 'a.txt', stderr: '', outcome: { type: 'exit', exit_code: 0 } }],
  },
  'input[]<apply_patch_call>': {
    type: 'apply_patch_call',
    call_id: 'call_6',
    status: 'completed',
    operation: { type: 'delete_file', path: 'a.txt' },
  },
  'input[]<apply_patch_call_output>': { type: 'apply_patch_call_output', call_id: 'call_6', status: 'completed' },
  'input[]<mcp_list_tools>': { type: 'mcp_list_tools', id: 'mcpl_1', server_label: 'docs', tools: [] },
  'input[]<mcp_approval_request>': {
    type: 'mcp_approval_request',
    id: 'mcpr_1',
    server_label: 'docs',
    name: 'find',
    arguments: '{}',
  },
  'input[]<mcp_approval_response>': { type: 'mcp_approval_response', approval_request_id: 'mcpr_1', approve: true },
  'input[]<mcp_call>': { type: 'mcp_call', id: 'mcp_1', server_label: 'docs', name: 'find', arguments: '{}' },
  'input[]<compaction_trigger>': { type: 'compaction_trigger' },
  'input[]<item_reference>': { type: 'item_reference', id: 'msg_1' },
  'input[]<program>': { type: 'program', id: 'prog_1', call_id: 'call_9', code: 'a()', fingerprint: 'f' },
  'input[]<program_output>': {
    type: 'program_output',
    id: 'po_1',
    call_id: 'call_9',
    result: '1',
    status: 'completed',
  },
}
