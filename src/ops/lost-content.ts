import { MlistError } from '../errors.ts';

const codes = new Set(['MANIFEST_BLOB_UNKNOWN', 'BLOB_UNKNOWN', 'MANIFEST_UNKNOWN']);

/** Whether a registry refuses something since it lacks what that points at: it may have cleaned up what it had. */
export function isLostContent(thrown: unknown): boolean {
  return thrown instanceof MlistError && (thrown.facts.diagnostics?.some(({ code }) => codes.has(code)) ?? false);
}
