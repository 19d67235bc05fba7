/**
 * What an upstream does differently from its protocol's own vendor. Declared per provider and model in the catalogue,
 * never guessed from a name; what is absent is as the protocol's own vendor has it.
 */
export interface Quirks {
  /** The upstream is the protocol's own vendor and takes all members that it documents. Default false. */
  readonly ownVendor?: boolean
  /** Chat: how the cap on output is spelled. Default `max_tokens`. */
  readonly maxTokensField?: 'max_tokens' | 'max_completion_tokens'
  /** Chat: the role of the system prompt. Default `system`. */
  readonly systemRole?: 'system' | 'developer'
  /** Chat: the member of an assistant message that takes its reasoning back. Default `reasoning_content`. */
  readonly reasoningField?: 'reasoning_content' | 'reasoning' | 'reasoning_details' | 'content_parts' | 'none'
  /** Chat: whether an assistant message that calls tools must carry its reasoning (empty when unknown). Default false. */
  readonly reasoningRequired?: boolean
  /**
   * Chat: how thinking is asked for. `effort`: `reasoning_effort`; `thinking`: `thinking: {type}` (DeepSeek, Z.ai,
   * Kimi, MiMo); `enable_thinking`: with `thinking_budget` (Qwen); `reasoning`: `reasoning: {effort, max_tokens}`
   * (OpenRouter); `none`: not at all. Default `effort`.
   */
  readonly reasoningControl?: 'effort' | 'thinking' | 'enable_thinking' | 'reasoning' | 'none'
  /** The efforts that the model takes; others are brought to the nearest. Absent: all are passed on. */
  readonly efforts?: readonly string[]
  /** Messages: the form of `thinking` that the model takes. Default `budget`. */
  readonly thinkingForm?: 'budget' | 'adaptive' | 'none'
  /** How far answers can be bound to a JSON schema. Default `json_schema`. */
  readonly structuredOutput?: 'json_schema' | 'json_object' | 'none'
  /** Chat, Responses: whether tools of free text (`custom`) are taken. Default false for chat, true for Responses. */
  readonly customTools?: boolean
  /** Chat: whether `strict` of a tool is taken. Default true. */
  readonly strictTools?: boolean
  /** Whether `parallel_tool_calls` is taken. Default true. */
  readonly parallelToolCalls?: boolean
  /** Whether a tool can be forced (`required`, or by name). Default true. */
  readonly forcedToolChoice?: boolean
  /** Whether images may stand in tool results. Default: true for Responses, Messages and Google, false for chat. */
  readonly toolResultImages?: boolean
  /** Whether images and files may be given by address. Default true. */
  readonly fileUrls?: boolean
  /** Messages: which cache marks are taken: with a `ttl`, without one, or none. Default `ttl`. */
  readonly cacheMarks?: 'ttl' | 'plain' | 'none'
  /** Messages: whether `system` messages may stand in the middle. Default false: they become marked user text. */
  readonly midSystemMessages?: boolean
  /** The values of `anthropic-beta` that are sent on. Absent: all. */
  readonly betas?: readonly string[]
  /** Top-level members of a body that are taken out before it is sent, relayed or translated. */
  readonly dropFields?: readonly string[]
  /** Whether it counts tokens by a route of its own. Default true for Messages, Google and Responses. */
  readonly countTokens?: boolean
  /** Sampling settings that it refuses: `temperature`, `topP`, `topK`, `presencePenalty` and so on. */
  readonly dropSettings?: readonly string[]
}
