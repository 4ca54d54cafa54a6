/**
 * A setting that may let the failed operation succeed. It is data, because the command line and the library name their
 * settings differently: only `cli/output/remedy-hint.ts` knows the options of the command line. New kinds may be added.
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
  /**
   * Leave out images that their location does not have. `isOmitted`: the user has requested this, but no image would be
   * left.
   */
  | { readonly kind: 'omit-missing'; readonly canChoose: boolean; readonly isOmitted: boolean }
  /** Complete an image from other sources. */
  | { readonly kind: 'fill' }
  /** Name a source of the missing content. `isAnother`: the sources that were tried do not have it. */
  | { readonly kind: 'fill-from'; readonly isAnother: boolean }
  | { readonly kind: 'omit-foreign-layer' }
  | { readonly kind: 'drop-attestations' }
  | { readonly kind: 'allow-empty' }
  | { readonly kind: 'resolve-duplicates' }
  /** Push the draft as an OCI index. */
  | { readonly kind: 'convert-to-oci'; readonly list: string }
  /** Accept unknown platforms. */
  | { readonly kind: 'not-strict' }
  /** Let the list replace a single image. */
  | { readonly kind: 'replace-image' }
  /** Expect the current state of the tag: a digest, or `absent`. */
  | { readonly kind: 'expect-digest'; readonly digest: string }
  /** Select one of several entries. */
  | { readonly kind: 'choose-entry' }
  /** State the member to change. */
  | { readonly kind: 'name-change' }
  /** Name the location of the content of a document. */
  | { readonly kind: 'name-repository' }
  /** Create a line of an htpasswd file. */
  | { readonly kind: 'hash-password' }
  /** Name a folder for garbage collection. */
  | { readonly kind: 'name-folder' }
  | { readonly kind: 'report-bug' };

/** A sentence for each kind of remedy. */
export type RemedyTexts = {
  readonly [Kind in Remedy['kind']]: string | ((remedy: Extract<Remedy, { readonly kind: Kind }>) => string);
};

/** The sentence for a remedy. */
export function remedyText(texts: RemedyTexts, remedy: Remedy): string {
  const text = texts[remedy.kind] as string | ((remedy: Remedy) => string);
  return typeof text === 'string' ? text : text(remedy);
}

/** Describes a remedy for users of the library, without names of command line options. */
export function describeRemedy(remedy: Remedy): string {
  return remedyText(texts, remedy);
}

const texts: RemedyTexts = {
  'plain-http': (remedy) => `If ${remedy.host} is not encrypted, permit http for it.`,
  'trust-certificate': (remedy) => `Trust the certificate authority of ${remedy.host}.`,
  'trust-connection':
    'No credentials were sent, since the connection is not verified. Trust the certificate authority of the registry, or permit http for it.',
  'trust-token-service': (remedy) =>
    `If ${remedy.host} is the token service of ${remedy.registry}, permit it to receive its credentials.`,
  'allow-registry': (remedy) =>
    `To ${remedy.access === 'read' ? 'send its login to' : 'write to'} ${remedy.registry}, allow this registry.`,
  'allow-outside': 'If you trust the draft or spec that names it, allow content outside the project.',
  mirror: (remedy) => `If ${remedy.registry} cannot be reached from here, sources can be read from a mirror.`,
  'ignore-registry-configuration': (remedy) =>
    `Correct the ${remedy.change}, or do not use the registry configuration of other tools.`,
  http1: 'Use HTTP/1.1 instead of HTTP/2.',
  'more-time': 'Allow more time.',
  'more-temporary-space': 'Allow more space for temporary files, or set TMPDIR to a folder with more free space.',
  'omit-missing': omissionText,
  fill: 'Read the missing content from another location.',
  'fill-from': (remedy) => (remedy.isAnother ? 'Name another source.' : 'Name the registry that has the content.'),
  'omit-foreign-layer': 'Leave this image out, or let the registry accept foreign layers.',
  'drop-attestations': 'Leave attestations out.',
  'allow-empty': 'Add images, or allow an empty list.',
  'resolve-duplicates': 'Remove one of them, or correct its platform.',
  'convert-to-oci': (remedy) => `Push ${remedy.list} as an OCI index.`,
  'not-strict': 'Accept unknown platforms as warnings.',
  'replace-image': 'Push the list to another tag, add the image to the list, or allow the list to replace it.',
  'expect-digest': (remedy) => `Check which digest the tag has now, then copy again and expect ${remedy.digest}.`,
  'choose-entry': 'Select an entry by its digest or platform.',
  'name-change': 'Set or clear the platform, annotations or the artifact type.',
  'name-repository': 'Validate its reference or location instead.',
  'hash-password': 'Create the lines of the file from the result of hashPassword, or with "htpasswd -B".',
  'name-folder': 'Name the folder of an embedded registry, or an OCI layout.',
  'report-bug': 'This is a bug in mlist: please report it with the stack of its cause.',
};

function omissionText({ canChoose, isOmitted }: Extract<Remedy, { kind: 'omit-missing' }>): string {
  const rest = isOmitted
    ? 'At least one image must be left.'
    : 'Leave missing images out, or complete them from other sources.';
  return canChoose ? `Choose among these by platform. ${rest}` : rest;
}
