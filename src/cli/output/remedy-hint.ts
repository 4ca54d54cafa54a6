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
    case 'mirror':
      return `If ${remedy.registry} cannot be reached from here, sources can be read from a mirror: --mirror ${remedy.registry}=URL.`;
    case 'ignore-registry-configuration':
      return remedy.change === 'file'
        ? 'Correct the file, or ignore all files of this kind with --no-mirrors.'
        : 'Change the rule, or ignore the registry configuration of other tools with --no-mirrors.';
    case 'more-time':
      return 'See --timeout and --deadline.';
    case 'more-temporary-space':
      return 'Set a higher --spool-limit, or set TMPDIR to a folder with more free space.';
    case 'report-bug':
      return 'This is a bug in mlist: please report it with the output of the same command under --debug.';
  }
}
