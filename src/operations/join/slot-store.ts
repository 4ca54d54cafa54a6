import { asMlistError, MlistError } from '../../errors/errors.ts';
import type { Repository } from '../../store/registry/repository.ts';
import { exceedsMaxWait, isRetryableStatus } from '../../store/registry/http/retry.ts';
import type { ManifestContent, ContentOptions } from '../../store/store.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Location } from '../../oci/location.ts';
import { isIndexType } from '../../oci/media-type.ts';
import { formatReference, withDigest, type Reference } from '../../oci/reference.ts';
import { readIndex } from '../../schema/documents.ts';
import { fromIndex } from '../create/create-draft.ts';
import type { Stores } from '../../store/open.ts';
import { entryMembers } from '../sources/entry-members.ts';
import { resolveSource } from '../sources/resolve-source.ts';
import { emptyDraft } from '../../draft/draft.ts';
import { encodeDraft } from '../../draft/to-list.ts';
import { isAboutContent } from '../../transfer/unknown-content.ts';
import { logTarget, type TargetLog } from '../../transfer/target-log.ts';
import type { Tagged } from './joined-list.ts';
import type { Condition } from './protocol-memory.ts';
import type { Snapshot } from './protocol.ts';
import { readSlot, slotName, slotPrefix, type StoredSlot } from './slot.ts';

/** What became of a write; an error is a failure that another attempt may not meet. */
export type PutResult = 'done' | 'refused' | MlistError;

export interface SlotStoreOptions extends ContentOptions {
  readonly stores: Stores;
  readonly targets?: TargetLog | undefined;
  /** Slots that are read by name; undefined where the list of tags says which there are. */
  readonly names?: readonly string[] | undefined;
  /** Slots that are read in any case. */
  readonly own: readonly string[];
  /** Told of what lies under a slot's tag and is none. */
  readonly onStrange: (name: string, reason: string) => void;
}

/** A build that expects more platforms than this is not followed. */
const MOST_NAMES = 1000;

/** One tag and its slots, as they are read and written in a registry. */
export class SlotStore {
  readonly #reference: Required<Pick<Reference, 'tag'>> & Reference;
  readonly #target: string;
  readonly #repository: Repository;
  readonly #options: SlotStoreOptions;
  /** Slots that the last list of tags named. */
  #listed: ReadonlySet<string> = new Set();

  constructor(reference: Required<Pick<Reference, 'tag'>> & Reference, options: SlotStoreOptions) {
    this.#reference = reference;
    this.#target = formatReference(reference);
    this.#repository = options.stores.registries.repository(reference);
    this.#options = options;
    logTarget(options.targets, { reference: this.#target, status: 'not-pushed' });
  }

  /** Reads the slots, then the tag, each afresh. */
  async look(): Promise<Snapshot> {
    const { names, own } = this.#options;
    const first = new Set([...(names ?? (await this.#listSlots())), ...own]);
    const found = await this.#readSlots(first);
    const further = found.flatMap(({ slot }) => (typeof slot === 'string' ? [] : this.#expectedBy(slot)));
    const rest = new Set(further.filter((name) => !first.has(name)));
    const all = [...found, ...(await this.#readSlots(rest))];
    const slots = all.flatMap(({ slot }) => (typeof slot === 'string' ? [] : [slot]));
    const strange = all.flatMap(({ name, digest, slot }) =>
      typeof slot === 'string' ? [[name, digest] as const] : [],
    );
    return {
      slots: slots.sort((left, right) => (left.name < right.name ? -1 : 1)),
      strange: new Map(strange),
      base: await this.#readBase(),
    };
  }

  /** Slots that are there and that the registry's list of tags left out: it is behind, or is none. */
  unlisted({ slots }: Snapshot, wanted: readonly string[]): readonly string[] {
    if (this.#options.names !== undefined) return [];
    return slots.map(({ name }) => name).filter((name) => wanted.includes(name) && !this.#listed.has(name));
  }

  /**
   * Writes a tag, once. Where that fails, the write may have happened all the same; the next look shows it.
   * @throws MlistError where another attempt would fail, too
   */
  async put(content: ManifestContent, tag: string, condition: Condition): Promise<PutResult> {
    const { signal, targets } = this.#options;
    const target = { reference: this.#nameOf(tag), digest: content.descriptor.digest };
    const before = targets?.get(target.reference) ?? { ...target, status: 'not-pushed' };
    logTarget(targets, { ...target, status: 'unknown' });
    try {
      await this.#repository.putManifest(content, tag, { ifMatch: condition, once: true, signal });
      logTarget(targets, { ...target, status: 'pushed' });
      return 'done';
    } catch (thrown) {
      signal?.throwIfAborted();
      const error = asMlistError(thrown);
      if (error.facts.status === 412 && condition !== undefined) {
        logTarget(targets, before);
        return 'refused';
      }
      if (isTransient(error) || isUnconfirmed(error)) return error;
      if (!(await this.#hasContent(content, tag, error))) throw error;
      logTarget(targets, { ...target, status: 'pushed' });
      return 'done';
    }
  }

  /** Whether a tag whose PUT was refused has the content: it may be immutable, and another participant was faster. */
  async #hasContent(content: ManifestContent, tag: string, error: MlistError): Promise<boolean> {
    if (error.facts.status === undefined || isAboutContent(error, content)) return false;
    const now = await this.#read(tag).catch(() => undefined);
    this.#options.signal?.throwIfAborted();
    return now?.descriptor.digest === content.descriptor.digest;
  }

  async #listSlots(): Promise<readonly string[]> {
    const names: string[] = [];
    const prefix = slotPrefix(this.#reference.tag);
    try {
      for await (const tag of this.#repository.tags(this.#options)) if (tag.startsWith(prefix)) names.push(tag);
    } catch (thrown) {
      const error = asMlistError(thrown);
      // A repository that nothing was pushed to yet is not there.
      if (error.code !== 'ERR_MLIST_NOT_FOUND') throw isTransient(error) ? error : withoutTagList(error);
    }
    this.#listed = new Set(names);
    return names;
  }

  async #readSlots(names: ReadonlySet<string>) {
    const found = await Promise.all([...names].slice(0, MOST_NAMES).map((name) => this.#readSlot(name)));
    return found.flatMap((one) => one ?? []);
  }

  async #readSlot(
    name: string,
  ): Promise<{ readonly name: string; readonly digest: Digest; readonly slot: StoredSlot | string } | undefined> {
    const content = await this.#read(name);
    if (content === undefined) return undefined;
    const slot = readSlot(content, name, this.#target);
    if (typeof slot === 'string') this.#options.onStrange(name, slot);
    return { name, digest: content.descriptor.digest, slot };
  }

  /** Only where slots are read by name: a newer build may expect others than this one. */
  #expectedBy({ expect = [] }: StoredSlot): readonly string[] {
    if (this.#options.names === undefined) return [];
    return expect.map((platform) => slotName(this.#reference.tag, platform));
  }

  async #readBase(): Promise<Tagged | undefined> {
    const content = await this.#read(this.#reference.tag);
    if (content === undefined) return undefined;
    const { mediaType, digest } = content.descriptor;
    if (!isIndexType(mediaType)) return this.#singleImage(digest);
    const document = readIndex(content.bytes, mediaType, this.#target);
    const source: Location = { kind: 'registry', reference: this.#reference, explicit: true };
    const entries = document.manifests.map((descriptor) => ({ source, ...entryMembers(descriptor) }));
    const draft = { ...fromIndex(this.#reference, { source, index: { document, content } }), entries };
    return { mediaType: document.mediaType, digest, bytes: content.bytes, draft };
  }

  /** A tag that has an image, not a list: a list of that image takes its place. */
  async #singleImage(digest: Digest): Promise<Tagged> {
    const { stores, signal } = this.#options;
    const reference = withDigest(this.#reference, digest);
    const source = { location: { kind: 'registry', reference, explicit: true } } as const;
    const { entries } = await resolveSource(source, { stores, signal });
    const draft = { ...emptyDraft(this.#reference), entries };
    return { ...encodeDraft(draft), digest, draft, isImage: true };
  }

  /** Own slots that are there, and that this runner did not have to write. */
  logThere(slots: readonly string[]): void {
    const { targets } = this.#options;
    for (const reference of slots.map((slot) => this.#nameOf(slot)))
      if (targets?.has(reference) === false) logTarget(targets, { reference, status: 'unchanged' });
  }

  #nameOf(tag: string): string {
    return formatReference({ ...this.#reference, tag });
  }

  async #read(tag: string): Promise<ManifestContent | undefined> {
    const { signal, targets } = this.#options;
    try {
      const content = await this.#repository.fetchManifest(tag, { fresh: true, signal });
      const target = targets?.get(this.#nameOf(tag));
      const isThere = target?.status === 'unknown' && target.digest === content.descriptor.digest;
      if (isThere) logTarget(targets, { ...target, status: 'pushed' });
      return content;
    } catch (thrown) {
      if (asMlistError(thrown).code === 'ERR_MLIST_NOT_FOUND') return undefined;
      throw thrown;
    }
  }
}

/** The registry reported success, but a read did not confirm it: another participant may have written the tag since. */
function isUnconfirmed({ facts: { status = 0 } }: MlistError): boolean {
  return status >= 200 && status < 300;
}

/** Whether another attempt may succeed. It may not where the registry asks to wait for longer than mlist waits. */
export function isTransient({ code, facts }: MlistError): boolean {
  const { status } = facts;
  if (exceedsMaxWait(facts)) return false;
  if (code === 'ERR_MLIST_REGISTRY') return status !== undefined && isRetryableStatus(status);
  return code === 'ERR_MLIST_NETWORK' || code === 'ERR_MLIST_TIMEOUT';
}

function withoutTagList(error: MlistError): MlistError {
  const hint = 'A join without --expect finds the other runners by the list of tags. With --expect it needs none.';
  return new MlistError(error.code, error.message, { ...error.facts, hint, cause: error });
}
