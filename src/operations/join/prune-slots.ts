import { asMlistError } from '../../errors/errors.ts';
import { formatReference, type TagReference } from '../../oci/reference.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import type { OnEvent } from '../events.ts';
import { readSlot, slotPrefix } from './slot.ts';
import type { RegistryTagOptions } from '../tags/registry-tags.ts';

export interface PruneSlotsOptions extends RegistryTagOptions {
  /** Receives a note for each deleted slot, since a later deletion may fail or be interrupted. */
  readonly onEvent?: OnEvent | undefined;
}

export interface PrunedSlots {
  /** Canonical reference of the tag. */
  readonly ref: string;
  /** Tags of the deleted slots. */
  readonly pruned: readonly string[];
}

/**
 * Deletes the slots of a tag. The list keeps its images. A build that is still running loses the slots that its
 * participants have written so far. If the registry cannot delete a single tag, the manifest of the slot is deleted
 * instead. This removes no other tag, because no other tag refers to it.
 * @throws MlistError `ERR_MLIST_REGISTRY` if the registry can delete neither tags nor manifests
 */
export async function pruneSlots(
  reference: TagReference,
  { stores, signal, onEvent }: PruneSlotsOptions,
): Promise<PrunedSlots> {
  const target = formatReference(reference);
  const repository = stores.registries.repository(reference);
  const names: string[] = [];
  for await (const tag of repository.tags({ signal })) if (tag.startsWith(slotPrefix(reference.tag))) names.push(tag);
  const pruned: string[] = [];
  for (const name of names) {
    const content = await ignoreNotFound(repository.fetchManifest(name, { fresh: true, signal }));
    if (content === undefined || typeof readSlot(content, name, target) === 'string') continue;
    await repository.untag(name, { signal }).catch(async (thrown: unknown) => {
      const error = asMlistError(thrown);
      if (error.code === 'ERR_MLIST_NOT_FOUND') return;
      if (![400, 405].includes(error.facts.status ?? 0)) throw error;
      await ignoreNotFound(repository.deleteManifest(content.descriptor.digest, { signal }));
    });
    pruned.push(name);
    onEvent?.({ type: 'note', message: `pruned ${name}` });
  }
  return { ref: target, pruned };
}
