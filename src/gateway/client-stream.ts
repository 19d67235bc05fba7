/**
 * The client's side of a streamed answer: one head, whole events, and a sign of life while the upstream is silent.
 *
 * Until the first byte an answer can still become an error with a status of its own; once `begin` was called, by an
 * upstream's stream or because the upstream has been silent for too long, errors go in-band.
 */
import type { ServerResponse } from 'node:http'
import type { Protocol } from '../base/words.ts'
import type { StreamForm } from '../protocol/event-readers.ts'
import { keepAlive } from '../protocol/keep-alive.ts'

export interface ClientStreamOptions {
  readonly protocol: Protocol
  readonly form: StreamForm
  /** Silence after which a sign of life is sent; 0: never. */
  readonly keepAliveMs: number
  /** All headers but the content type, names and values in turn. Asked for when the head is sent. */
  readonly headers: () => readonly string[]
}

export class ClientStream {
  readonly #response: ServerResponse
  readonly #options: ClientStreamOptions
  #timer: NodeJS.Timeout | null = null
  #lastWriteMs = performance.now()
  #begun = false
  #hasContent = false

  constructor(response: ServerResponse, options: ClientStreamOptions) {
    this.#response = response
    this.#options = options
    if (options.keepAliveMs > 0) this.#wait(options.keepAliveMs)
  }

  /** Whether the head is out: an error can only go in-band now. */
  get begun(): boolean {
    return this.#begun
  }

  /** Whether anything of an upstream was sent. */
  get hasContent(): boolean {
    return this.#hasContent
  }

  /** Sends the head, once. `contentType` is the upstream's own where its stream is relayed. */
  begin(contentType?: string): void {
    const response = this.#response
    if (this.#begun || response.destroyed || response.headersSent) return
    this.#begun = true
    response.writeHead(200, [
      'content-type',
      contentType ?? (this.#options.form === 'sse' ? 'text/event-stream; charset=utf-8' : 'application/json'),
      // Proxies must neither keep, nor recompress, nor collect what comes event by event.
      'cache-control',
      'no-cache, no-transform',
      'x-accel-buffering',
      'no',
      ...this.#options.headers(),
    ])
    // Most heads leave together with the first event; one whose first event is late must not wait for it.
    setImmediate(() => {
      if (!this.#hasContent && !response.writableEnded && !response.destroyed) response.flushHeaders()
    })
  }

  write(buffers: readonly Buffer[]): void {
    this.#hasContent = true
    this.#lastWriteMs = performance.now()
    const response = this.#response
    if (buffers.length > 1) response.cork()
    for (const buffer of buffers) response.write(buffer)
    if (buffers.length > 1) response.uncork()
  }

  /** Nothing is sent by itself any more. */
  stop(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
  }

  #wait(delayMs: number): void {
    this.#timer = setTimeout(() => this.#onSilence(), delayMs)
  }

  #onSilence(): void {
    const { keepAliveMs, protocol } = this.#options
    const response = this.#response
    if (response.destroyed || response.writableEnded) return
    const idleMs = performance.now() - this.#lastWriteMs
    if (idleMs < keepAliveMs - 1) {
      this.#wait(keepAliveMs - idleMs)
      return
    }
    this.begin()
    // A client that takes nothing needs no sign of life, and must not be given more to take.
    if (!response.writableNeedDrain) response.write(keepAlive(protocol))
    this.#lastWriteMs = performance.now()
    this.#wait(keepAliveMs)
  }
}
