/**
 * A setting that may let the failed operation succeed. It is data, because the command line and the library name their settings
 * differently: only `cli/output/remedy-hint.ts` knows the options of the command line. New kinds may be added.
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
  /** Let the registry receive its login (`read`), or be written to. */
  | { readonly kind: 'allow-registry'; readonly registry: string; readonly access: 'read' | 'write' }
  /** Let drafts and specs name content outside the project. */
  | { readonly kind: 'allow-outside' }
  /** Read from a mirror of the registry. */
  | { readonly kind: 'mirror'; readonly registry: string }
  /** Ignore the registry configuration of other tools. */
  | { readonly kind: 'ignore-registry-configuration'; readonly change: 'file' | 'rule' }
  /** Use HTTP/1.1 instead of HTTP/2. */
  | { readonly kind: 'http1' }
  | { readonly kind: 'more-time' }
  | { readonly kind: 'more-temporary-space' }
  /** Leave out images that their location does not have. `isOmitted`: this was requested, but no image would be left. */
  | { readonly kind: 'omit-missing'; readonly canChoose: boolean; readonly isOmitted: boolean }
  /** Complete an image from other sources. */
  | { readonly kind: 'fill' }
  /** Name a source of the missing content. `isAnother`: sources were asked, and do not have it. */
  | { readonly kind: 'fill-from'; readonly isAnother: boolean }
  | { readonly kind: 'omit-foreign-layer' }
  | { readonly kind: 'drop-attestations' }
  | { readonly kind: 'allow-empty' }
  | { readonly kind: 'resolve-duplicates' }
  /** Push the draft as an OCI index. */
  | { readonly kind: 'convert-to-oci'; readonly list: string }
  /** Let the list replace a single image. */
  | { readonly kind: 'replace-image' }
  /** Expect what the tag has now: a digest, or `absent`. */
  | { readonly kind: 'expect-digest'; readonly digest: string }
  /** Select one of several entries. */
  | { readonly kind: 'choose-entry' }
  /** State what to change. */
  | { readonly kind: 'name-change' }
  /** Name the location of the content of a document. */
  | { readonly kind: 'name-repository' }
  /** Create a line of an htpasswd file. */
  | { readonly kind: 'hash-password' }
  /** Name a folder whose content can be collected. */
  | { readonly kind: 'name-folder' }
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
    case 'allow-registry':
      return `If ${remedy.access === 'read' ? 'it may receive its login' : 'that is intended'}, allow ${remedy.registry}.`;
    case 'allow-outside':
      return 'If you trust it, allow content outside the project.';
    case 'mirror':
      return `If ${remedy.registry} cannot be reached from here, sources can be read from a mirror.`;
    case 'ignore-registry-configuration':
      return `Correct the ${remedy.change}, or do not use the registry configuration of other tools.`;
    case 'http1':
      return 'Use HTTP/1.1 instead of HTTP/2.';
    case 'more-time':
      return 'Allow more time.';
    case 'more-temporary-space':
      return 'Allow more space for temporary files, or set TMPDIR to a folder with more free space.';
    case 'omit-missing':
      return omissionText(remedy);
    case 'fill':
      return 'Complete it from another source.';
    case 'fill-from':
      return remedy.isAnother ? 'Name another source.' : 'Name the registry that has the content.';
    case 'omit-foreign-layer':
      return 'Leave this image out, or let the registry accept foreign layers.';
    case 'drop-attestations':
      return 'Leave attestations out.';
    case 'allow-empty':
      return 'Add images, or allow an empty list.';
    case 'resolve-duplicates':
      return 'Remove one of them, or correct its platform.';
    case 'convert-to-oci':
      return `Push ${remedy.list} as an OCI index.`;
    case 'replace-image':
      return 'Push the list to another tag, add the image to the list, or allow the list to replace it.';
    case 'expect-digest':
      return `Check what it has now, then copy again and expect ${remedy.digest}.`;
    case 'choose-entry':
      return 'Choose one by its digest or platform.';
    case 'name-change':
      return 'Set or clear the platform, annotations or the artifact type.';
    case 'name-repository':
      return 'Validate its reference or location instead.';
    case 'hash-password':
      return 'Create its lines from the result of hashPassword, or with "htpasswd -B".';
    case 'name-folder':
      return 'Name the folder of an embedded registry, or an OCI layout.';
    case 'report-bug':
      return 'This is a bug in mlist: please report it with the stack of its cause.';
  }
}

function omissionText({ canChoose, isOmitted }: Extract<Remedy, { kind: 'omit-missing' }>): string {
  const rest = isOmitted
    ? 'At least one image must be left.'
    : 'Leave missing images out, or complete them from other sources.';
  return canChoose ? `Choose among these by platform. ${rest}` : rest;
}
