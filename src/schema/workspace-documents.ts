import type { Problem } from '../errors/errors.ts';
import { type Json } from '../json/json.ts';
import { readJson } from '../json/parse.ts';
import { isValid, isSmall, listProblems, type ValidateFunction } from './validator.ts';
import { draft } from './compiled/draft-first.ts';
import { state } from './compiled/state-first.ts';

/**
 * This file checks the documents of a workspace. It is separate from documents.ts, so that local commands load only
 * these schemas.
 */

/** The value of a valid document, or the problems of an invalid one. */
export type Checked = { readonly value: Json } | { readonly problems: readonly Problem[] };

/**
 * Maximum size of a workspace file in bytes. It is larger than for lists, because drafts also store sources and
 * detected platforms.
 */
export const MAX_WORKSPACE_BYTES = 16 * 1024 * 1024;

export function checkDraftDocument(bytes: Uint8Array): Promise<Checked> {
  return check(bytes, draft, async () => (await import('./compiled/draft-all.ts')).draft);
}

export function checkStateDocument(bytes: Uint8Array): Promise<Checked> {
  return check(bytes, state, async () => (await import('./compiled/state-all.ts')).state);
}

/**
 * Validates a file. The validator that reports all errors doubles the code to load, so it is loaded only if the file is
 * invalid.
 */
async function check(
  bytes: Uint8Array,
  first: ValidateFunction,
  loadAll: () => Promise<ValidateFunction>,
): Promise<Checked> {
  const { value, values, problems } = readJson(bytes, { maxBytes: MAX_WORKSPACE_BYTES, maxValues: 1_000_000 });
  if (value === undefined || problems.length > 0) return { problems };
  if (isValid(first, value)) return { value };
  const all = isSmall(values) ? await loadAll() : first;
  return { problems: listProblems(all, value) };
}
