import type { CredentialLocation } from '../../store/registry/credentials/credential-store.ts';

/** Where a login is kept, as a document. */
export function credentialLocationDocument(keeper: CredentialLocation): object {
  return keeper.kind === 'file' ? { path: keeper.path } : { helper: keeper.program };
}
