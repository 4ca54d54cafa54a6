import type { MlistError } from '../../errors/errors.ts';
import { remedyText, type Remedy, type RemedyTexts } from '../../errors/remedy.ts';

/** The hint of an error. Its remedy is described by the options of the command line. */
export function hintOf({ facts }: MlistError): string | undefined {
  const { hint, remedy } = facts;
  if (remedy === undefined) return hint;
  return hint === undefined ? remedyText(texts, remedy) : `${hint} ${remedyText(texts, remedy)}`;
}

const texts: RemedyTexts = {
  'plain-http': (remedy) =>
    `To connect without encryption, pass --plain-http ${remedy.host}, or for a mirror an http:// address.`,
  'trust-certificate': 'Pass its certificate authority with --ca-file, or disable verification with --insecure.',
  'trust-connection':
    'No credentials were sent, since the connection is not verified. Trust its certificate authority with --ca-file, or use --insecure or --plain-http.',
  'trust-token-service': (remedy) =>
    `If ${remedy.host} is the token service of ${remedy.registry}, add --auth-host ${remedy.registry}=${remedy.host}.`,
  'allow-registry': (remedy) =>
    `To ${remedy.access === 'read' ? 'send its login to' : 'write to'} ${remedy.registry}, add --allow-registry ${remedy.registry}, or add the registry to MLIST_ALLOW_REGISTRIES.`,
  'allow-outside': 'If you trust the draft or spec that names it, add --allow-outside.',
  mirror: (remedy) =>
    `If ${remedy.registry} cannot be reached from here, sources can be read from a mirror: --mirror ${remedy.registry}=URL.`,
  'ignore-registry-configuration': (remedy) =>
    remedy.change === 'file'
      ? 'Correct the file, or ignore all files of this kind with --no-mirrors.'
      : 'Change the rule, or ignore the registry configuration of other tools with --no-mirrors.',
  http1: 'To use HTTP/1.1 instead, pass --http1.',
  'more-time': 'See --timeout and --deadline.',
  'more-temporary-space': 'Set a higher --spool-limit, or set TMPDIR to a folder with more free space.',
  'omit-missing': omissionText,
  fill: 'Read the missing content from another location with --missing fill.',
  'fill-from': (remedy) =>
    `Name ${remedy.isAnother ? 'another source' : 'the registry that has the content'} with --fill-from REF.`,
  'omit-foreign-layer': 'Leave this image out, for example with --platform, or let the registry accept foreign layers.',
  'drop-attestations': 'Use "--attestations drop" with copy, create, add or join to leave attestations out.',
  'allow-empty': 'Add images with "mlist add", or push the empty list with --allow-empty.',
  'resolve-duplicates':
    'Remove one of them with "mlist remove LIST IMAGE", correct its platform with "mlist annotate LIST IMAGE --os OS --arch ARCH", ' +
    'or push both with --allow-duplicates. "mlist show LIST" names the images.',
  'convert-to-oci': (remedy) =>
    `Push the list as an OCI index with --format oci, or convert the draft with "mlist create --amend --format oci ${remedy.list}".`,
  'not-strict': 'Leave out --strict to accept the warning.',
  'replace-image': 'Push the list to another tag, add the image to the list, or replace it with --replace-image.',
  'expect-digest': (remedy) =>
    `Check which digest the tag has now, then copy again with "--if-digest ${remedy.digest}".`,
  'choose-entry': 'Select an entry by its digest, or with --platform.',
  'name-change':
    'Use --os, --arch, --variant, --os-version, --os-features, --annotation or --artifact-type for an image, ' +
    '--index-annotation, --index-artifact-type or --subject for the list.',
  'name-repository': 'Give the repository, layout or archive with --repo.',
  'hash-password': 'Create the lines of the file with "mlist serve --hash-password USER" or "htpasswd -B".',
  'name-folder': 'Give the folder that you pass to "mlist serve --dir", or an OCI layout.',
  'report-bug': 'This is a bug in mlist: please report it with the output of the same command under --debug.',
};

function omissionText({ canChoose, isOmitted }: Extract<Remedy, { kind: 'omit-missing' }>): string {
  const rest = isOmitted
    ? 'At least one image must be left.'
    : 'Leave missing images out with --missing skip, or complete them with --missing fill.';
  return canChoose ? `Choose among these with --platform. ${rest}` : rest;
}
