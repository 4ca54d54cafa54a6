import type { Draft } from '../draft/draft.ts';
import type { Content } from '../oci/content.ts';
import type { Index } from '../oci/manifest.ts';
import { fromIndex, settledFormat } from './create-draft.ts';
import { entryMembers } from './entry-members.ts';

/**
 * The draft that says what a list says, word for word: nothing is asked of its images, nested indexes stay entries, and
 * members that mlist does not know come along. Pushed as it is, it is that list to the byte.
 * @param list - canonical reference that the draft goes by
 * @param source - canonical location of the list
 */
export function draftOfList(list: string, source: string, document: Index, content: Content): Draft {
  const draft: Draft = {
    ...fromIndex(list, { source, index: { document, content } }),
    entries: document.manifests.map((entry) => ({ source, via: content.descriptor.digest, ...entryMembers(entry) })),
  };
  return { ...draft, format: settledFormat(draft) };
}
