/**
 * A setting that may let the failed operation succeed. It is data, because the command line and the library name their settings
 * differently: only `cli/output/remedy-hint.ts` knows the options of the command line.
 */
export type Remedy =
  /** Access the host over http. */
  | { readonly kind: 'plain-http'; readonly host: string }
  /** Trust the authority that has signed the certificate of the host. */
  | { readonly kind: 'trust-certificate'; readonly host: string }
  /** Verify the connection, or permit credentials on it explicitly. */
  | { readonly kind: 'trust-connection' }
  /** Send the credentials of the registry to this token service. */
  | { readonly kind: 'trust-token-service'; readonly registry: string; readonly host: string }
  /** Read from a mirror of the registry. */
  | { readonly kind: 'mirror'; readonly registry: string }
  /** Ignore the registry configuration of other tools. */
  | { readonly kind: 'ignore-registry-configuration'; readonly change: 'file' | 'rule' }
  | { readonly kind: 'more-time' }
  | { readonly kind: 'more-temporary-space' }
  | { readonly kind: 'report-bug' };

/** A sentence for programs and their users, without names of options. */
export function describeRemedy(remedy: Remedy): string {
  switch (remedy.kind) {
    case 'plain-http':
      return `If ${remedy.host} is not encrypted, permit http for it.`;
    case 'trust-certificate':
      return `Trust the certificate authority of ${remedy.host}.`;
    case 'trust-connection':
      return 'No credentials were sent, since the connection is not verified. Trust its certificate authority, or permit http for it.';
    case 'trust-token-service':
      return `If ${remedy.host} is the token service of ${remedy.registry}, permit it to receive its credentials.`;
    case 'mirror':
      return `If ${remedy.registry} cannot be reached from here, sources can be read from a mirror.`;
    case 'ignore-registry-configuration':
      return `Correct the ${remedy.change}, or do not use the registry configuration of other tools.`;
    case 'more-time':
      return 'Allow more time.';
    case 'more-temporary-space':
      return 'Allow more space for temporary files, or set TMPDIR to a folder with more free space.';
    case 'report-bug':
      return 'This is a bug in mlist: please report it with the stack of its cause.';
  }
}
