import type { MlistError } from '../../errors/errors.ts';
import { remedyText, type JoinChange, type Remedy, type RemedyTexts } from '../../errors/remedy.ts';

/** Returns the hint of an error, followed by a description of its remedy. Undefined if the error has neither. */
export function hintOf({ facts }: MlistError): string | undefined {
  const { hint, remedy } = facts;
  if (remedy === undefined) return hint;
  return hint === undefined ? remedyText(texts, remedy) : `${hint} ${remedyText(texts, remedy)}`;
}

const texts: RemedyTexts = {
  'plain-http': (remedy) =>
    `To connect without encryption, pass --plain-http ${remedy.host}. For a mirror, use an http:// address.`,
  'trust-certificate': (remedy) =>
    `Pass the CA certificate of ${remedy.host} with --ca-file, or disable the verification with --insecure.`,
  'trust-connection':
    'No credentials were sent, because the connection is not verified. Pass the CA certificate of the registry with --ca-file, or use --insecure or --plain-http.',
  'trust-token-service': (remedy) =>
    `If ${remedy.host} is the token service of ${remedy.registry}, add --auth-host ${remedy.registry}=${remedy.host}.`,
  'allow-registry': (remedy) =>
    `To ${remedy.access === 'read' ? 'send credentials to' : 'write to'} ${remedy.registry}, add --allow-registry ${remedy.registry}, or add the registry to MLIST_ALLOW_REGISTRIES.`,
  'allow-outside': 'If you trust the draft or file, add --allow-outside.',
  mirror: (remedy) =>
    `If ${remedy.registry} cannot be reached from here, read sources from a mirror with --mirror ${remedy.registry}=URL.`,
  'ignore-registry-configuration': (remedy) =>
    remedy.change === 'file'
      ? 'Correct the file, or ignore the registry configuration of other tools with --no-mirrors.'
      : 'Change the rule, or ignore the registry configuration of other tools with --no-mirrors.',
  http1: 'To use HTTP/1.1 instead, pass --http1.',
  'more-time': 'Allow more time with --timeout or --deadline.',
  'more-temporary-space': 'Set a higher --spool-limit, or set TMPDIR to a folder with more free space.',
  'omit-missing': omissionText,
  fill: 'Read the missing content from another location with --missing fill.',
  'fill-from': (remedy) =>
    `Specify ${remedy.isAnother ? 'another source' : 'the repository that has the content'} with --fill-from.`,
  'omit-foreign-layer':
    'Leave this image out, for example with --platform, or configure the registry to accept foreign layers.',
  'drop-attestations': 'To leave attestations out, use "--attestations drop" with copy, create, add or join.',
  'allow-empty': 'Add images with "mlist add", or push the empty list with --allow-empty.',
  'resolve-duplicates':
    'Remove one of the images with "mlist remove LIST IMAGE", correct its platform with "mlist annotate LIST IMAGE --os OS --arch ARCH", ' +
    'or push the list with --allow-duplicates. "mlist show LIST" lists the images.',
  'convert-to-oci': (remedy) =>
    `Push the list as an OCI index with --format oci, or convert the draft with "mlist create --amend --format oci ${remedy.list}".`,
  'not-strict': 'Leave out --strict to accept the warning.',
  'replace-image': 'Push the list to another tag, add the existing image to the list, or pass --replace-image.',
  'expect-digest': ({ digest }) =>
    digest === 'absent'
      ? 'To create the tag, copy again with "--if-digest absent".'
      : `Check the current content of the tag, then copy again with "--if-digest ${digest}".`,
  'choose-entry': 'Select an entry by its digest, or with --platform.',
  'name-change':
    'Use --os, --arch, --variant, --os-version, --os-features, --annotation or --artifact-type for an image, or ' +
    '--index-annotation, --index-artifact-type or --subject for the list.',
  'name-repository': 'Use --repo to specify the repository, layout or archive that has the content.',
  'hash-password': 'Create the lines of the file with "mlist serve --hash-password USER" or "htpasswd -B".',
  'name-folder': 'Specify the folder of "mlist serve --dir", or an OCI layout.',
  join: ({ change }) => joinTexts[change],
  'report-bug': 'This is a bug in mlist. Please report it with the output of the same command with --debug.',
};

const joinTexts: Readonly<Record<JoinChange, string>> = {
  'set-group': 'Set --group to an ID that all jobs of this build share and no other build uses.',
  'separate-groups': 'Build each platform in one job only, and use a different --group for each build.',
  'expect-platforms':
    'List the expected platforms with --expect. Without it, mlist can find other jobs only in the tag list of the repository.',
  'expect-each-once': 'List each platform of the build exactly once in --expect.',
  'expect-the-same':
    'Pass the same --expect, in the same order, to all jobs of a build, and use a different --group for each build. ' +
    '"mlist join --prune LIST" deletes old slots.',
};

function omissionText({ canChoose, isOmitted }: Extract<Remedy, { kind: 'omit-missing' }>): string {
  const rest = isOmitted
    ? 'At least one image must remain.'
    : 'Leave missing images out with --missing skip, or read them from other sources with --missing fill.';
  return canChoose ? `Select available images with --platform. ${rest}` : rest;
}
