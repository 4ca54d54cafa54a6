import { asMlistError, type MlistError } from '../../errors/errors.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import type { Repository } from '../../store/registry/repository.ts';
import { exceedsMaxWait, isRetryableStatus } from '../../store/registry/http/retry.ts';
import type { ManifestContent, ContentOptions } from '../../store/store.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Location } from '../../oci/location.ts';
import { isIndexType } from '../../oci/media-type.ts';
import { formatReference, withDigest, type TagReference } from '../../oci/reference.ts';
import { readIndex } from '../../schema/documents.ts';
import { fromIndex } from '../create/create-draft.ts';
import type { Stores } from '../../store/open.ts';
import { entryMembers } from '../sources/entry-members.ts';
import { resolveSource } from '../sources/resolve-source.ts';
import { emptyDraft } from '../../draft/draft.ts';
import { encodeDraft } from '../../draft/to-list.ts';
import { isAboutContent } from '../../transfer/unknown-content.ts';
import { logTarget, type TargetLog } from '../../transfer/target-log.ts';
import { unreadableTags } from './join-errors.ts';
import type { Tagged } from './joined-list.ts';
import type { Condition } from './protocol-memory.ts';
import type { Snapshot } from './protocol.ts';
import { readSlot, slotName, slotPrefix, type StoredSlot } from './slot.ts';

/** The result of a write. `refused`: its condition does not hold. An error: it failed, but may succeed if repeated. */
export type PutResult = 'done' | 'refused' | MlistError;

export interface SlotStoreOptions extends ContentOptions {
  readonly stores: Stores;
  readonly targets?: TargetLog | undefined;
  /** The tags of the slots to read. Default: all slots of the joined tag in the repository's tag list. */
  readonly names?: readonly string[] | undefined;
  /** The tags of this participant's slots. They are read even if `names` or the tag list lacks them. */
  readonly own: readonly string[];
  /** Called if the content under the tag of a slot is not a slot. */
  readonly onNonSlot: (name: string, reason: string) => void;
}

/** Maximum number of slots that `read` reads in each of its two steps, however many are listed or expected. */
const MOST_NAMES = 1000;

/** Reads and writes one tag and its slots in a registry. */
export class SlotStore {
  readonly #reference: TagReference;
  readonly #target: string;
  readonly #repository: Repository;
  readonly #options: SlotStoreOptions;
  /** The tags of the slots in the tag list that was read last. */
  #listed: ReadonlySet<string> = new Set();

  constructor(reference: TagReference, options: SlotStoreOptions) {
    this.#reference = reference;
    this.#target = formatReference(reference);
    this.#repository = options.stores.registries.repository(reference);
    this.#options = options;
    logTarget(options.targets, { reference: this.#target, status: 'not-pushed' });
  }

  /** Reads the slots, then the slots that they expect, and finally the tag. No cached content is used. */
  async read(): Promise<Snapshot> {
    const { names, own } = this.#options;
    const first = new Set([...(names ?? (await this.#listSlots())), ...own]);
    const found = await this.#readSlots(first);
    const expected = found.flatMap(({ slot }) => (typeof slot === 'string' ? [] : this.#expectedBy(slot)));
    const rest = new Set(expected.filter((name) => !first.has(name)));
    const all = [...found, ...(await this.#readSlots(rest))];
    const slots = all.flatMap(({ slot }) => (typeof slot === 'string' ? [] : [slot]));
    const nonSlots = all.flatMap(({ name, digest, slot }) =>
      typeof slot === 'string' ? [[name, digest] as const] : [],
    );
    return {
      slots: slots.sort((left, right) => (left.name < right.name ? -1 : 1)),
      nonSlots: new Map(nonSlots),
      base: await this.#readBase(),
    };
  }

  /** Returns the expected slots that exist but are missing from the registry's tag list, because it is outdated. */
  unlisted({ slots }: Snapshot, expected: readonly string[]): readonly string[] {
    if (this.#options.names !== undefined) return [];
    return slots.map(({ name }) => name).filter((name) => expected.includes(name) && !this.#listed.has(name));
  }

  /**
   * Writes a tag, without retries. A write that failed may still have taken effect; the next snapshot shows whether it
   * has.
   * @throws MlistError if another attempt would fail, too
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

  /**
   * Whether a tag has the content although the registry refused to write it. This happens if the tag is immutable, and
   * another participant has already written the same content.
   */
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
      // The repository may not exist before the first push.
      if (error.code !== 'ERR_MLIST_NOT_FOUND') throw isTransient(error) ? error : unreadableTags(error);
    }
    this.#listed = new Set(names);
    return names;
  }

  async #readSlots(names: ReadonlySet<string>) {
    const found = await Promise.all([...names].slice(0, MOST_NAMES).map((name) => this.#readSlot(name)));
    return found.flatMap((slot) => slot ?? []);
  }

  async #readSlot(
    name: string,
  ): Promise<{ readonly name: string; readonly digest: Digest; readonly slot: StoredSlot | string } | undefined> {
    const content = await this.#read(name);
    if (content === undefined) return undefined;
    const slot = readSlot(content, name, this.#target);
    if (typeof slot === 'string') this.#options.onNonSlot(name, slot);
    return { name, digest: content.descriptor.digest, slot };
  }

  /**
   * Returns the tags of the slots that the build of a stored slot expects. That build may be another one than the build
   * of this participant. Returns an empty array if `names` is undefined, because the tag list then contains all slots.
   */
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

  /** Returns a list with the single image to which the tag refers. */
  async #singleImage(digest: Digest): Promise<Tagged> {
    const { stores, signal } = this.#options;
    const reference = withDigest(this.#reference, digest);
    const source = { location: { kind: 'registry', reference, explicit: true } } as const;
    const { entries } = await resolveSource(source, { stores, signal });
    const draft = { ...emptyDraft(this.#reference), entries };
    return { ...encodeDraft(draft), digest, draft, isImage: true };
  }

  /** Logs the slots of this participant that already existed with its images. */
  logUnchanged(slots: readonly string[]): void {
    const { targets } = this.#options;
    for (const reference of slots.map((slot) => this.#nameOf(slot)))
      if (targets?.has(reference) === false) logTarget(targets, { reference, status: 'unchanged' });
  }

  #nameOf(tag: string): string {
    return formatReference({ ...this.#reference, tag });
  }

  async #read(tag: string): Promise<ManifestContent | undefined> {
    const { signal, targets } = this.#options;
    const content = await ignoreNotFound(this.#repository.fetchManifest(tag, { fresh: true, signal }));
    if (content === undefined) return undefined;
    const target = targets?.get(this.#nameOf(tag));
    const isThere = target?.status === 'unknown' && target.digest === content.descriptor.digest;
    if (isThere) logTarget(targets, { ...target, status: 'pushed' });
    return content;
  }
}

/**
 * Whether the registry reported success, but a read did not confirm the write. Another participant may have written the
 * tag in the meantime.
 */
function isUnconfirmed({ facts: { status = 0 } }: MlistError): boolean {
  return status >= 200 && status < 300;
}

/** Whether another attempt may succeed. False if the registry requests a longer wait than mlist accepts. */
export function isTransient({ code, facts }: MlistError): boolean {
  const { status } = facts;
  if (exceedsMaxWait(facts)) return false;
  if (code === 'ERR_MLIST_REGISTRY') return status !== undefined && isRetryableStatus(status);
  return code === 'ERR_MLIST_NETWORK' || code === 'ERR_MLIST_TIMEOUT';
}
