import type { MlistError } from '../../errors/errors.ts';
import type { Remedy } from '../../errors/remedy.ts';

/** The hint of an error, with the options of the command line that may help. */
export function hintOf({ facts }: MlistError): string | undefined {
  const { hint, remedy } = facts;
  if (remedy === undefined) return hint;
  return hint === undefined ? optionsFor(remedy) : `${hint} ${optionsFor(remedy)}`;
}

function optionsFor(remedy: Remedy): string {
  switch (remedy.kind) {
    case 'plain-http':
      return `To use it without encryption, pass --plain-http ${remedy.host}, or for a mirror an http:// address.`;
    case 'trust-certificate':
      return 'Pass its certificate authority with --ca-file, or disable verification with --insecure.';
    case 'trust-connection':
      return 'No credentials were sent, since the connection is not verified. Trust its certificate authority with --ca-file, or use --insecure or --plain-http.';
    case 'trust-token-service':
      return `If that is its token service, allow it with --auth-host ${remedy.registry}=${remedy.host}.`;
    case 'allow-registry':
      return `${remedy.access === 'read' ? 'If it may receive its login' : 'If that is intended'}, add --allow-registry ${remedy.registry}, or add it to MLIST_ALLOW_REGISTRIES.`;
    case 'allow-outside':
      return 'If you trust it, add --allow-outside.';
    case 'mirror':
      return `If ${remedy.registry} cannot be reached from here, sources can be read from a mirror: --mirror ${remedy.registry}=URL.`;
    case 'ignore-registry-configuration':
      return remedy.change === 'file'
        ? 'Correct the file, or ignore all files of this kind with --no-mirrors.'
        : 'Change the rule, or ignore the registry configuration of other tools with --no-mirrors.';
    case 'http1':
      return 'To use HTTP/1.1 instead, pass --http1.';
    case 'more-time':
      return 'See --timeout and --deadline.';
    case 'more-temporary-space':
      return 'Set a higher --spool-limit, or set TMPDIR to a folder with more free space.';
    case 'omit-missing':
      return omissionText(remedy);
    case 'fill':
      return 'Complete it with --missing fill.';
    case 'fill-from':
      return `Name ${remedy.isAnother ? 'another source' : 'the registry that has the content'} with --fill-from REF.`;
    case 'omit-foreign-layer':
      return 'Leave this image out, for example with --platform, or let the registry accept foreign layers.';
    case 'drop-attestations':
      return 'Use "--attestations drop" with copy, create, add or join to leave attestations out.';
    case 'allow-empty':
      return 'Add images with "mlist add", or push the empty list with --allow-empty.';
    case 'resolve-duplicates':
      return RESOLVE_DUPLICATES;
    case 'convert-to-oci':
      return `Push it as an OCI index with --format oci, or convert it with "mlist create --amend --format oci ${remedy.list}".`;
    case 'replace-image':
      return 'Push the list to another tag, add the image to the list, or replace it with --replace-image.';
    case 'expect-digest':
      return `Check what it has now, then copy again with "--if-digest ${remedy.digest}".`;
    case 'choose-entry':
      return 'Choose one by its digest, or with --platform.';
    case 'name-change':
      return NAME_CHANGE;
    case 'name-repository':
      return 'Give the repository, layout or archive with --repo.';
    case 'hash-password':
      return 'Create its lines with "mlist serve --hash-password USER" or "htpasswd -B".';
    case 'name-folder':
      return 'Name the folder of "mlist serve --dir", or an OCI layout.';
    case 'report-bug':
      return 'This is a bug in mlist: please report it with the output of the same command under --debug.';
  }
}

const RESOLVE_DUPLICATES =
  'Remove one of them with "mlist remove LIST IMAGE", correct its platform with "mlist annotate LIST IMAGE --os OS --arch ARCH", ' +
  'or push both with --allow-duplicates. "mlist show LIST" names the images.';

const NAME_CHANGE =
  'Use --os, --arch, --variant, --os-version, --os-features, --annotation or --artifact-type for an image, ' +
  '--index-annotation, --index-artifact-type or --subject for the list.';

function omissionText({ canChoose, isOmitted }: Extract<Remedy, { kind: 'omit-missing' }>): string {
  const rest = isOmitted
    ? 'At least one image must be left.'
    : 'Leave missing images out with --missing skip, or complete them with --missing fill.';
  return canChoose ? `Choose among these with --platform. ${rest}` : rest;
}
