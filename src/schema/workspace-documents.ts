import type { Problem } from '../errors/errors.ts';
import { type Json } from '../json/json.ts';
import { readJson } from '../json/parse.ts';
import { isValid, isSmall, listProblems, type ValidateFunction } from './validator.ts';
import { draft } from './compiled/draft-first.ts';
import { state } from './compiled/state-first.ts';

/** The documents of a workspace. Kept apart from those of registries, so that local commands load no more than these. */

/** A draft or a state that fits its schema, or what is wrong with it. */
export type Checked = { readonly value: Json } | { readonly problems: readonly Problem[] };

/** A workspace's own file may be larger than a list: it holds sources, and what was detected, besides. */
export const MAX_WORKSPACE_BYTES = 16 * 1024 * 1024;

export function checkDraftDocument(bytes: Uint8Array): Promise<Checked> {
  return check(bytes, draft, async () => (await import('./compiled/draft-all.ts')).draft);
}

export function checkStateDocument(bytes: Uint8Array): Promise<Checked> {
  return check(bytes, state, async () => (await import('./compiled/state-all.ts')).state);
}

/** Listing all errors of a damaged file takes as much code again: it is loaded when there is one. */
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
