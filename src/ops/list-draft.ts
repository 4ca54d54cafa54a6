import type { Draft } from '../draft/draft.ts';
import { formatOf } from '../draft/list.ts';
import type { Content } from '../oci/content.ts';
import type { Index } from '../oci/manifest.ts';
import { MediaType } from '../oci/media-type.ts';
import { entryMembers, unknownMembers } from './resolve-source.ts';

const indexMembers = ['schemaVersion', 'mediaType', 'manifests', 'annotations', 'artifactType', 'subject'];

/**
 * The draft that says what a list says, word for word: nothing is asked of its images, nested indexes stay entries, and
 * members that mlist does not know come along. Pushed as it is, it is that list to the byte.
 * @param list - canonical reference that the draft goes by
 * @param source - canonical location of the list
 */
export function draftOfList(list: string, source: string, document: Index, { descriptor }: Content): Draft {
  const isDocker = document.mediaType === MediaType.dockerList;
  const { annotations, artifactType, subject } = isDocker ? {} : document;
  const extra = unknownMembers(document, isDocker ? indexMembers.slice(0, 3) : indexMembers);
  const draft: Draft = {
    version: 1,
    list,
    format: isDocker ? 'docker' : 'oci',
    ...(annotations === undefined ? {} : { annotations }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(subject === undefined ? {} : { subject }),
    base: { ref: source, digest: descriptor.digest },
    ...(extra === undefined ? {} : { extra }),
    entries: document.manifests.map((entry) => ({ source, via: descriptor.digest, ...entryMembers(entry) })),
  };
  const isFree = formatOf({ ...draft, format: 'auto' }) === draft.format;
  return isFree ? { ...draft, format: 'auto' } : draft;
}
