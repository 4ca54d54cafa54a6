import type { CredentialLocation } from '../../store/registry/credentials/credential-store.ts';

export function credentialLocationDocument(location: CredentialLocation): object {
  return location.kind === 'file' ? { path: location.path } : { helper: location.program };
}
