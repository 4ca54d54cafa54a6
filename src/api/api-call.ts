import { asMlistError, errorMessage, MlistError } from '../errors/errors.ts';

interface Abortable {
  readonly signal?: AbortSignal | undefined;
}

/** Runs a call of the public API, so that it rejects with an MlistError whatever fails. */
export async function apiCall<T>(options: Abortable, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw apiError(thrown, options);
  }
}

/** An aborted call usually throws the reason of its signal, which can be any value. */
export function apiError(thrown: unknown, options: Abortable): MlistError {
  // Programs in JavaScript can pass null.
  const { signal } = (options as Abortable | null) ?? {};
  if (thrown instanceof MlistError || signal?.aborted !== true) return asMlistError(thrown);
  const { reason } = signal as { readonly reason: unknown };
  return new MlistError('ERR_MLIST_INTERRUPTED', `interrupted: ${errorMessage(reason)}`, { cause: reason });
}

/** Checks an argument, because programs in JavaScript can pass any value. */
export function requireText(value: unknown, name: string): asserts value is string {
  if (typeof value === 'string') return;
  throw new MlistError('ERR_MLIST_USAGE', `${name} must be a string, not ${nameOfType(value)}`);
}

/** @see requireText */
export function requireArray(value: unknown, name: string): void {
  if (!Array.isArray(value))
    throw new MlistError('ERR_MLIST_USAGE', `${name} must be an array, not ${nameOfType(value)}`);
}

/** Checks an option of a client; NaN is refused too. */
export function requireNumber(value: number | undefined, name: string, minimum: number): void {
  if (value === undefined || value >= minimum) return;
  throw new MlistError('ERR_MLIST_USAGE', `${name} must be at least ${minimum}`);
}

function nameOfType(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : typeof value === 'object' ? 'an object' : typeof value;
}
