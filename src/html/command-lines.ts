import { isIndexType } from '../oci/media-type.ts';
import type { ListView } from '../operations/inspect/show.ts';
import type { Command } from './parts.ts';

/**
 * Returns the command lines that the page of a list or an image displays.
 * @param options - options for every mlist command, with a leading space, such as ` --plain-http HOST`
 */
export function commandsFor({ from, reference, digest, mediaType }: ListView, options = ''): readonly Command[] {
  const name = shellWord(reference);
  const pinned = digest === undefined || reference.includes('@') ? undefined : shellWord(withDigest(reference, digest));
  const isList = isIndexType(mediaType);
  // Without the prefix `docker://`, the reference could also be the name of a draft.
  const named = from === 'registry' ? shellWord(`docker://${reference}`) : name;
  const mlist = (command: string, rest = '') => `mlist ${command} ${named}${rest}${options}`;
  return [
    ...(from === 'registry' ? [{ purpose: 'Pull with docker', line: `docker pull ${name}` }] : []),
    ...(from === 'registry' && pinned !== undefined
      ? [{ purpose: 'Pull exactly this content', line: `docker pull ${pinned}` }]
      : []),
    ...(from === 'draft' ? [{ purpose: 'Push the draft', line: mlist('push') }] : []),
    { purpose: 'Show in a terminal', line: mlist('show', ' --tree') },
    ...(isList ? [{ purpose: 'Explain which image this machine pulls', line: mlist('explain') }] : []),
    ...(from === 'draft' ? [] : [{ purpose: 'Print the document', line: mlist('inspect') }]),
  ];
}

/** Replaces the tag of a reference with the digest. */
function withDigest(reference: string, digest: string): string {
  return `${reference.replace(/:[\w][\w.-]*$/, '')}@${digest}`;
}

/** Quotes a string for POSIX shells unless it contains only characters that need no quotes. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
