/** Names and notes that people write: bounded, and safe to print on a terminal. */
import { AppError } from '../base/errors.ts'

/** @throws AppError invalid_request */
export function checkText(what: string, text: string, limits: { minLength: number; maxLength: number }): void {
  if (text.trim().length < limits.minLength) throw new AppError('invalid_request', `the ${what} must not be empty`)
  if (text.length > limits.maxLength) {
    throw new AppError('invalid_request', `the ${what} must not be longer than ${limits.maxLength} characters`)
  }
  if (!/^\P{Cc}*$/u.test(text)) throw new AppError('invalid_request', `the ${what} must not hold control characters`)
}
