import { join } from 'node:path';
import { MlistError } from '../../errors/errors.ts';
import type { HeldLock } from '../../fs/atomic.ts';
import { withLock } from '../../fs/lock.ts';
import {
  conflictError,
  contentReference,
  type ContentOptions,
  type PutOptions,
  type RequiredContent,
} from '../store.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import type { BlobFolder } from './blob-folder.ts';
import { EntryEdit, mediaTypesIn } from './entry-edit.ts';
import type { EntrySet } from './entry-table.ts';
import { descriptorsOf } from './index-entries.ts';
import { familyOf, typeByDigest } from './manifest-facts.ts';
import { isManifestClaim, type Claim, type ManifestGraph } from './manifest-graph.ts';
import type { IndexFile, StoreChange } from './index-file.ts';
import { SerialQueue } from '../../async/serial-queue.ts';

/** The parts of a layout that edits need. */
export interface EditedLayout {
  readonly root: string;
  readonly location: string;
  readonly index: IndexFile;
  readonly graph: ManifestGraph;
  readonly blobs: BlobFolder;
  /** Whether a manifest keeps an entry when it loses its last tag, or the last index that lists it. */
  readonly keepUntagged: boolean;
}

export interface PutContentOptions extends PutOptions {
  /** The bytes of the manifest. They are written again if garbage collection has removed them. */
  readonly bytes: Uint8Array;
}

type Change = (edit: EntryEdit) => Promise<void>;
type After = (lock: HeldLock) => Promise<void>;

interface EditOptions extends ContentOptions {
  /** Whether the edit removes something. Such an edit is stored even if index.json is full. */
  readonly isRemoval?: boolean | undefined;
}

interface PendingEdit extends EditOptions {
  readonly change: Change;
  /** Runs after the edit has been stored, while the lock is still held. */
  readonly after: After | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Minimum and maximum delay until the journal is merged into index.json, in milliseconds. */
const MERGE_MS = 500;
const MAX_MERGE_MS = 2000;

/** Returns the path of the lock for writes to index.json. Other tools do not use this lock. */
export function indexLock(root: string): string {
  return join(root, '.index.json.lock');
}

/**
 * Edits index.json. Concurrent edits are applied one after another. An untagged manifest has a minimal entry until an
 * index lists it. The entry is then removed, so that index.json does not also list the children of indexes. However, it
 * is kept if the index lists the manifest with a wrong size or media type, or if the client has sent another media type
 * than the bytes imply.
 */
export class IndexEditor {
  readonly #layout: EditedLayout;
  readonly #queue = new SerialQueue();
  #pending: PendingEdit[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** Duration of the last merge in milliseconds. */
  #mergeMs = 0;

  constructor(layout: EditedLayout) {
    this.#layout = layout;
  }

  /**
   * Adds a manifest whose blob is already stored. If `tag` is defined, moves the tag to the manifest. Otherwise adds an
   * untagged entry, unless an entry or an index already lists the manifest.
   * @param isNew - whether the blob was missing or damaged before
   * @throws MlistError `ERR_MLIST_CONFLICT` if the condition `ifMatch` is not met; `ERR_MLIST_NOT_FOUND` if content in
   * `requires` is missing; `ERR_MLIST_FILE` if index.json is full
   */
  put(requested: Descriptor, tag: string | undefined, isNew: boolean, options: PutContentOptions): Promise<void> {
    return this.#edit(options, async (edit) => {
      const { graph, keepUntagged, blobs } = this.#layout;
      const { digest, size } = requested;
      if (options.ifMatch !== undefined) await this.#checkCondition(edit, tag ?? digest, options.ifMatch);
      if (options.requires !== undefined) await this.#checkRequired(edit, options.requires);
      // Garbage collection may have removed the blob before this edit got the lock.
      if ((await blobs.size(digest)) === undefined) await blobs.write(requested, options.bytes);
      const facts = await graph.facts(digest);
      const descriptor = { mediaType: facts?.stated ?? requested.mediaType, digest, size };
      edit.correct(descriptor, facts);
      const mediaType = (await this.#currentType(edit, digest, isNew)) ?? descriptor.mediaType;
      const stored = { mediaType, digest, size };
      const children = new Set((await graph.children(descriptor)).map((child) => child.digest));
      const moved = tag === undefined ? [] : edit.tagged(tag).map((entry) => entry.descriptor.digest);
      const typesBefore = mediaTypesIn(edit, [digest, ...moved, ...children]);
      if (tag === undefined) await this.#addListed(edit, stored);
      else edit.tag(descriptor, tag);
      edit.removeMinimal(children);
      const lost = edit.dropped.filter((each) => keepUntagged || children.has(each));
      await this.#keepListed(edit, typesBefore, lost);
      const isSame = typeByDigest(facts, mediaTypesIn(edit, [digest]).get(digest)) === mediaType;
      if (!isSame && familyOf(mediaType) !== 'other') edit.addMinimal(stored);
      await this.#refresh(tag === undefined ? [digest] : edit.dropped);
    });
  }

  /**
   * Removes a tag.
   * @throws MlistError `ERR_MLIST_NOT_FOUND` if the tag does not exist
   */
  untag(tag: string, options: ContentOptions): Promise<void> {
    return this.#edit({ ...options, isRemoval: true }, async (edit) => {
      const tagged = edit.tagged(tag).map((entry) => entry.descriptor.digest);
      if (tagged.length === 0) throw this.#notFound(`:${tag}`);
      const typesBefore = mediaTypesIn(edit, tagged);
      edit.untag(tag);
      if (!this.#layout.keepUntagged) return;
      await this.#keepListed(edit, typesBefore, edit.dropped);
      await this.#refresh(edit.dropped);
    });
  }

  /**
   * Removes a manifest with all its tags. Its blob is removed too, unless a manifest has it as its config or a layer,
   * or an index lists it as a blob.
   * @throws MlistError `ERR_MLIST_NOT_FOUND` if the manifest does not exist; `ERR_MLIST_CONFLICT` if an index lists the
   * manifest and its blob has to be kept, because the manifest would then still exist
   */
  remove(digest: Digest, options: ContentOptions): Promise<void> {
    const { graph, blobs, keepUntagged } = this.#layout;
    let isNeeded = false;
    const change = async (edit: EntryEdit): Promise<void> => {
      if (!(await this.#isManifest(edit, digest)) || (await blobs.size(digest)) === undefined) {
        throw this.#notFound(`@${digest}`);
      }
      const manifests =
        (await graph.facts(digest))?.manifests.filter((child) => familyOf(child.mediaType) !== 'other') ?? [];
      const children = keepUntagged ? manifests.map((child) => child.digest) : [];
      const typesBefore = mediaTypesIn(edit, children);
      edit.remove(digest);
      await this.#keepListed(edit, typesBefore, children, digest);
      isNeeded = await graph.isNeeded(descriptorsOf(edit.all()), digest);
      if (isNeeded && (await this.#isManifest(edit, digest))) throw this.#inUse(digest);
    };
    // The blob is removed last: a crash in between leaves an unlisted blob, not an entry without a blob.
    return this.#edit({ ...options, isRemoval: true }, change, async (lock) => {
      if (isNeeded) return;
      await lock.confirm();
      await blobs.remove(digest);
      graph.forget(digest);
    });
  }

  /** Writes the edits of the journal to index.json, and removes the journal. */
  async merge(options: ContentOptions = {}): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { index } = this.#layout;
    if (index.isMerged) return;
    const work = async (lock: HeldLock): Promise<void> => {
      const started = performance.now();
      await index.merge(lock);
      this.#mergeMs = performance.now() - started;
    };
    await this.#queue.run(() => this.#locked(work, options));
  }

  /** Runs `work` after all earlier edits, while no other process of mlist changes the layout. */
  async exclusive<T>(work: (lock: HeldLock) => Promise<T>, options: ContentOptions = {}): Promise<T> {
    try {
      return await this.#queue.run(() => this.#locked(work, options));
    } finally {
      if (this.#layout.index.needsMerge) this.#mergeLater();
    }
  }

  async #checkCondition(entries: EntrySet, name: string, expected: Digest | 'absent'): Promise<void> {
    const current = entries.tagged(name).map(({ descriptor }) => descriptor.digest);
    const isMet = expected === 'absent' ? current.length === 0 : current.includes(expected);
    if (isMet || (expected !== 'absent' && name === expected && (await this.#isManifest(entries, expected)))) return;
    throw conflictError(contentReference(this.#layout.location, name), expected);
  }

  /**
   * Checks that the required content exists. Garbage collection cannot remove the content before the edit is stored,
   * because this process holds the lock.
   */
  async #checkRequired(entries: EntrySet, { manifests, blobs }: RequiredContent): Promise<void> {
    const claims = await this.#layout.graph.findClaims(entries, manifests);
    const isListed = (digest: Digest): boolean => {
      const claim = claims.get(digest);
      return claim !== undefined && isManifestClaim(claim);
    };
    const unlisted = manifests.find((digest) => !isListed(digest));
    if (unlisted !== undefined) throw this.#notFound(`@${unlisted}`);
    for (const digest of [...manifests, ...blobs])
      if ((await this.#layout.blobs.size(digest)) === undefined) throw this.#notFound(`@${digest}`);
  }

  /**
   * Returns the media type of the digest before the edit: the type that its bytes state, or else the type in index.json
   * or the type that the bytes imply. Returns undefined if the bytes state no type and the digest was not a manifest.
   */
  async #currentType(entries: EntrySet, digest: Digest, isNew: boolean): Promise<string | undefined> {
    const facts = await this.#layout.graph.facts(digest);
    const listed = mediaTypesIn(entries, [digest]).get(digest);
    if (facts?.stated !== undefined || listed !== undefined) return typeByDigest(facts, listed);
    return !isNew && (await this.#isManifest(entries, digest)) ? typeByDigest(facts, undefined) : undefined;
  }

  /** Adds an untagged entry, unless an entry or an index already lists the manifest correctly. */
  async #addListed(edit: EntryEdit, descriptor: Descriptor): Promise<void> {
    const { digest } = descriptor;
    const accepts = (claim: Claim): boolean => isCorrect(claim, descriptor);
    const claim = (await this.#layout.graph.findClaims(edit, [digest], { accepts })).get(digest);
    if (claim === undefined || !accepts(claim)) edit.addUntagged(descriptor);
  }

  async #isManifest(entries: EntrySet, digest: Digest): Promise<boolean> {
    const claim = (await this.#layout.graph.findClaims(entries, [digest])).get(digest);
    return claim !== undefined && isManifestClaim(claim);
  }

  /**
   * Keeps the stored manifests among these digests listed: adds a minimal entry for each manifest that no entry or
   * index would list correctly after the edit, or whose media type the edit would change.
   * @param typesBefore - the media types in index.json before the edit, keyed by digest
   * @param removed - the manifest that is being removed
   */
  async #keepListed(
    edit: EntryEdit,
    typesBefore: ReadonlyMap<Digest, string>,
    digests: readonly Digest[],
    removed?: Digest,
  ): Promise<void> {
    if (digests.length === 0) return;
    const { graph, blobs } = this.#layout;
    const typesAfter = mediaTypesIn(edit, digests);
    const stored = new Map<Digest, Descriptor>();
    for (const digest of digests) {
      const facts = await graph.facts(digest);
      const size = facts?.size ?? (await blobs.size(digest));
      const mediaType = typeByDigest(facts, typesBefore.get(digest));
      const isOther = !typesBefore.has(digest) && familyOf(mediaType) === 'other';
      if (size !== undefined && !isOther) stored.set(digest, { mediaType, digest, size });
    }
    const accepts = (claim: Claim): boolean => isCorrect(claim, stored.get(claim.descriptor.digest));
    const claims = await graph.findClaims(edit, stored.keys(), { removed, accepts });
    for (const [digest, descriptor] of stored) {
      const claim = claims.get(digest);
      const type = typeByDigest(await graph.facts(digest), typesAfter.get(digest));
      const isSame = type === descriptor.mediaType || familyOf(descriptor.mediaType) === 'other';
      if (claim !== undefined && accepts(claim) && isSame) continue;
      if ((await blobs.size(digest)) !== undefined) edit.addMinimal(descriptor);
    }
  }

  /**
   * Marks manifests as used, so that the grace time of garbage collection starts when a manifest loses its tag or is
   * put without one.
   */
  async #refresh(digests: readonly Digest[]): Promise<void> {
    if (!this.#layout.keepUntagged) return;
    for (const digest of digests) await this.#layout.blobs.refresh(digest);
  }

  #edit({ signal, isRemoval }: EditOptions, change: Change, after?: After): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ change, after, signal, isRemoval, resolve, reject });
      // Edits that arrive before the queue runs `#storePending` are stored together with this one.
      if (this.#pending.length === 1) void this.#queue.run(() => this.#storePending());
    });
  }

  async #storePending(): Promise<void> {
    const edits = this.#pending.splice(0);
    // Edits of several callers are stored together, so one caller's abort must not fail the others.
    const signals = new Set(edits.map(({ signal }) => signal));
    const [signal] = signals.size === 1 ? signals : [];
    const failures = new Map<PendingEdit, unknown>();
    try {
      await this.#locked((lock) => this.#store(edits, failures, lock), { signal });
    } catch (error) {
      for (const edit of edits) if (!failures.has(edit)) failures.set(edit, error);
    }
    for (const edit of edits) {
      if (failures.has(edit)) edit.reject(failures.get(edit));
      else edit.resolve();
    }
    if (this.#layout.index.needsMerge) this.#mergeLater();
  }

  async #store(edits: readonly PendingEdit[], failures: Map<PendingEdit, unknown>, lock: HeldLock): Promise<void> {
    const { index, graph } = this.#layout;
    const changeAll = async (all: EntryEdit, store: StoreChange): Promise<void> => {
      for (const pending of edits) {
        const edit = new EntryEdit(all);
        try {
          pending.signal?.throwIfAborted();
          await pending.change(edit);
          await graph.readIndexes(edit);
          store(edit, pending);
        } catch (error) {
          failures.set(pending, error);
        }
      }
    };
    await index.edit(changeAll, lock);
    for (const pending of edits) {
      if (failures.has(pending)) continue;
      await pending.after?.(lock).catch((error: unknown) => failures.set(pending, error));
    }
  }

  #locked<T>(work: (lock: HeldLock) => Promise<T>, { signal }: ContentOptions): Promise<T> {
    const { root, location } = this.#layout;
    return withLock(indexLock(root), work, { signal, subject: `the index of ${location}` });
  }

  /**
   * Schedules a merge of the journal. The delay is 20 times the duration of the last merge, limited to the range from
   * `MERGE_MS` to `MAX_MERGE_MS`. Unless the upper limit applies, merging thus takes at most about 5 % of the time.
   */
  #mergeLater(): void {
    if (this.#timer !== undefined) return;
    // If the merge fails, the edits stay in the journal, and the next edit schedules another merge.
    const merge = (): Promise<void> => this.merge().catch(() => undefined);
    this.#timer = setTimeout(() => void merge(), Math.min(Math.max(MERGE_MS, 20 * this.#mergeMs), MAX_MERGE_MS));
    this.#timer.unref();
  }

  #inUse(digest: Digest): MlistError {
    const reference = `${this.#layout.location}@${digest}`;
    const message = `cannot delete ${reference}: an index lists it, and its bytes are also needed as a blob`;
    return new MlistError('ERR_MLIST_CONFLICT', message, { reference, hint: 'Delete the index first.' });
  }

  #notFound(name: string): MlistError {
    const reference = this.#layout.location + name;
    return new MlistError('ERR_MLIST_NOT_FOUND', `${reference} does not exist`, { reference });
  }
}

/**
 * Whether a claim is an entry of index.json, or its size and media type family match the stored content. If so, the
 * content needs no further entry in index.json.
 */
function isCorrect({ descriptor, isRoot }: Claim, stored: Descriptor | undefined): boolean {
  if (isRoot) return true;
  return descriptor.size === stored?.size && familyOf(descriptor.mediaType) === familyOf(stored.mediaType);
}
