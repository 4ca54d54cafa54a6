/**
 * A setting that may let the failed operation succeed. It is data, because the command line and the library name their
 * settings differently: only `cli/output/remedy-hint.ts` knows the options of the command line. New kinds may be added.
 */
export type Remedy =
  /** Access the host over http. */
  | { readonly kind: 'plain-http'; readonly host: string }
  /** Trust the certificate authority that has signed the host's certificate. */
  | { readonly kind: 'trust-certificate'; readonly host: string }
  /** Make the connection verifiable, or permit sending credentials over an unverified connection. */
  | { readonly kind: 'trust-connection' }
  /** Send the credentials of the registry to this token service. */
  | { readonly kind: 'trust-token-service'; readonly registry: string; readonly host: string }
  /** Allow sending the registry its credentials (`read`), or writing to it (`write`). */
  | { readonly kind: 'allow-registry'; readonly registry: string; readonly access: 'read' | 'write' }
  /** Let drafts and other files refer to content outside the project. */
  | { readonly kind: 'allow-outside' }
  /** Read from a mirror of the registry. */
  | { readonly kind: 'mirror'; readonly registry: string }
  /** Correct the file or rule (`change`), or ignore the registry configuration of other tools. */
  | { readonly kind: 'ignore-registry-configuration'; readonly change: 'file' | 'rule' }
  /** Use HTTP/1.1 instead of HTTP/2. */
  | { readonly kind: 'http1' }
  | { readonly kind: 'more-time' }
  | { readonly kind: 'more-temporary-space' }
  /**
   * Leave out images that their location does not have. `canChoose`: images can be selected by platform. `isOmitted`:
   * missing images are already left out, but then no image would remain.
   */
  | { readonly kind: 'omit-missing'; readonly canChoose: boolean; readonly isOmitted: boolean }
  /** Complete an image from other sources. */
  | { readonly kind: 'fill' }
  /** Specify a source of the missing content. `isAnother`: the sources that were tried do not have it. */
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
  /** Copy again, and expect the current state of the tag: its digest, or `absent` if it does not exist. */
  | { readonly kind: 'expect-digest'; readonly digest: string }
  /** Select one of several entries. */
  | { readonly kind: 'choose-entry' }
  /** Specify at least one member to set or clear. */
  | { readonly kind: 'name-change' }
  /** Specify the location that has the content to which a document refers. */
  | { readonly kind: 'name-repository' }
  /** Create a line of an htpasswd file. */
  | { readonly kind: 'hash-password' }
  /** Specify a folder for garbage collection. */
  | { readonly kind: 'name-folder' }
  /** Start the jobs of a build again, with other join options. */
  | { readonly kind: 'join'; readonly change: JoinChange }
  | { readonly kind: 'report-bug' };

/** What to change in the jobs of a build. */
export type JoinChange = 'set-group' | 'separate-groups' | 'expect-platforms' | 'expect-each-once' | 'expect-the-same';

/** The description of each kind of remedy, as one or more sentences or as a function that returns them. */
export type RemedyTexts = {
  readonly [Kind in Remedy['kind']]: string | ((remedy: Extract<Remedy, { readonly kind: Kind }>) => string);
};

/** Looks up the description of a remedy. */
export function remedyText(texts: RemedyTexts, remedy: Remedy): string {
  const text = texts[remedy.kind] as string | ((remedy: Remedy) => string);
  return typeof text === 'string' ? text : text(remedy);
}

/** Describes a remedy for users of the library, without names of command line options. */
export function describeRemedy(remedy: Remedy): string {
  return remedyText(texts, remedy);
}

const texts: RemedyTexts = {
  'plain-http': (remedy) => `If ${remedy.host} does not use TLS, permit http for it.`,
  'trust-certificate': (remedy) => `Trust the certificate authority of ${remedy.host}.`,
  'trust-connection':
    'No credentials were sent, because the connection is not verified. Trust the certificate authority of the registry, or permit http for it.',
  'trust-token-service': (remedy) =>
    `If ${remedy.host} is the token service of ${remedy.registry}, allow mlist to send it the credentials of this registry.`,
  'allow-registry': (remedy) =>
    `To ${remedy.access === 'read' ? 'send credentials to' : 'write to'} ${remedy.registry}, allow this registry.`,
  'allow-outside': 'If you trust the draft or file, allow content outside the project.',
  mirror: (remedy) => `If ${remedy.registry} cannot be reached from here, read sources from a mirror.`,
  'ignore-registry-configuration': (remedy) =>
    `Correct the ${remedy.change}, or do not use the registry configuration of other tools.`,
  http1: 'Use HTTP/1.1 instead of HTTP/2.',
  'more-time': 'Allow more time.',
  'more-temporary-space': 'Allow more space for temporary files, or set TMPDIR to a folder with more free space.',
  'omit-missing': omissionText,
  fill: 'Read the missing content from another location.',
  'fill-from': (remedy) =>
    remedy.isAnother ? 'Specify another source.' : 'Specify the registry that has the content.',
  'omit-foreign-layer': 'Leave this image out, or configure the registry to accept foreign layers.',
  'drop-attestations': 'Leave the attestations out.',
  'allow-empty': 'Add images, or allow an empty list.',
  'resolve-duplicates': 'Remove one of the duplicates, or correct its platform.',
  'convert-to-oci': (remedy) => `Push ${remedy.list} as an OCI index.`,
  'not-strict': 'Report unknown platforms as warnings instead of errors.',
  'replace-image':
    'Push the list to another tag, add the existing image to the list, or allow the list to replace this image.',
  'expect-digest': (remedy) =>
    remedy.digest === 'absent'
      ? 'To create the tag, copy again and expect that it does not exist.'
      : `Check the current content of the tag, then copy again and expect ${remedy.digest}.`,
  'choose-entry': 'Select an entry by its digest or platform.',
  'name-change': 'Set or clear the platform, annotations or the artifact type.',
  'name-repository': 'Validate a reference or location instead of the document.',
  'hash-password': 'Create the lines of the file with hashPassword or "htpasswd -B".',
  'name-folder': 'Specify the folder of an embedded registry, or an OCI layout.',
  join: ({ change }) => joinTexts[change],
  'report-bug': 'This is a bug in mlist: please report it with the stack trace of the cause.',
};

const joinTexts: Readonly<Record<JoinChange, string>> = {
  'set-group': 'Set the group to an ID that all jobs of this build share and no other build uses.',
  'separate-groups': 'Build each platform in one job only, and use a different group for each build.',
  'expect-platforms':
    'Specify the expected platforms: otherwise, other jobs can be found only in the tag list of the repository.',
  'expect-each-once': 'Specify each platform of the build exactly once among the expected platforms.',
  'expect-the-same':
    'Expect the same platforms, in the same order, in all jobs of a build, and use a different group for each build.',
};

function omissionText({ canChoose, isOmitted }: Extract<Remedy, { kind: 'omit-missing' }>): string {
  const rest = isOmitted
    ? 'At least one image must remain.'
    : 'Leave missing images out, or complete them from other sources.';
  return canChoose ? `Select available images by platform. ${rest}` : rest;
}
