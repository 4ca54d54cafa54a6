import type { Keeper } from '../content/registry/credential-store.ts';

/** Where a login is kept, as a document. */
export function keeperDocument(keeper: Keeper): object {
  return keeper.kind === 'file' ? { path: keeper.path } : { helper: keeper.program };
}
