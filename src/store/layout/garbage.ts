import { stat } from 'node:fs/promises';
import type { HeldLock } from '../../fs/atomic.ts';
import { MlistError } from '../../errors/errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import type { ContentOptions } from '../store.ts';
import type { BlobFile } from './blob-folder.ts';
import { EntryEdit } from './entry-edit.ts';
import type { EntrySet } from './entry-table.ts';
import type { StoreChange } from './index-file.ts';
import { indexLock, type EditedLayout, type IndexEditor } from './index-editor.ts';
import { tagOf, type Entry } from './index-entries.ts';
import { familyOf } from './manifest-facts.ts';

export interface GarbageOptions extends ContentOptions {
  /** Time, in milliseconds, for which unreachable content is kept after its last use. */
  readonly grace: number;
  /** Whether to also remove unreachable manifests that have an untagged entry; see `collectGarbage`. Default false. */
  readonly deleteUntagged?: boolean | undefined;
  /** Whether to only report what would be removed. Default false. */
  readonly dryRun?: boolean | undefined;
  /** Runs `work` while no manifest is being added. Default: `work` runs at once. */
  readonly exclusively?: ((work: () => Promise<void>) => Promise<void>) | undefined;
}

/** The removed content or, in a dry run, the content that would be removed. */
export interface Garbage {
  /** Manifests whose entries were removed from index.json. */
  readonly manifests: readonly Digest[];
  /** Blobs whose files were removed, including the bytes of the removed manifests. */
  readonly blobs: readonly Digest[];
  /** Number of bytes freed. Files that are shared with other repositories or layouts are not counted. */
  readonly bytes: number;
}

/** Maximum number of blobs that are removed while the lock is held. Clients that put manifests wait for the lock. */
const BATCH = 200;

/** The result of a search for reachable content. */
interface Reached {
  /** The digests of the roots, and of all content that they refer to, directly or indirectly. */
  readonly digests: ReadonlySet<Digest>;
  /**
   * With `deleteUntagged`: the untagged entries that are unreachable and whose grace time has passed. Otherwise empty.
   */
  readonly unreached: readonly Entry[];
}

/**
 * Removes content that is unreachable and has not been used within the grace time. Content is reachable if it is a
 * root, or if a root refers to it directly or indirectly. The roots are the entries of index.json. With
 * `deleteUntagged`, an untagged entry is a root only if its subject is reachable, or if it or a manifest that it lists,
 * directly or indirectly, was used within the grace time.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if a reachable manifest exists but cannot be read, because the
 * content that it refers to is then unknown
 */
export async function collectGarbage(
  layout: EditedLayout,
  editor: IndexEditor,
  options: GarbageOptions,
): Promise<Garbage> {
  const { dryRun = false, deleteUntagged = false } = options;
  const collection = new Collection(layout, editor, options);
  // The first pass runs without the lock, so that writers do not wait. Each batch is checked again under the lock
  // before it is removed.
  const found = await reachedFrom(await layout.index.entries(), layout, options, Date.now());
  if (dryRun) return await collection.simulate(found);
  if (deleteUntagged && found.unreached.length > 0) await collection.removeUntagged();
  await collection.removeBlobs(found);
  return collection.removed;
}

class Collection {
  /** The content removed so far or, in a dry run, the content that would be removed. */
  readonly removed = { manifests: [] as Digest[], blobs: [] as Digest[], bytes: 0 };
  readonly #layout: EditedLayout;
  readonly #editor: IndexEditor;
  readonly #options: GarbageOptions;

  constructor(layout: EditedLayout, editor: IndexEditor, options: GarbageOptions) {
    this.#layout = layout;
    this.#editor = editor;
    this.#options = options;
  }

  async simulate(found: Reached): Promise<Garbage> {
    this.removed.manifests.push(...digestsOf(found.unreached));
    for (const digest of await this.#candidates(found)) {
      const file = await this.#oldFile(digest, Date.now());
      if (file !== undefined) this.#count(digest, file);
    }
    return this.removed;
  }

  /**
   * Removes the entries of unreachable manifests. `removeBlobs` removes their blobs afterwards, so a crash in between
   * leaves blobs without an entry, but never an entry without its blob.
   */
  async removeUntagged(): Promise<void> {
    await this.#exclusively(async (lock, now) => {
      const { index } = this.#layout;
      const { unreached } = await reachedFrom(await index.entries(), this.#layout, this.#options, now);
      const digests = digestsOf(unreached);
      const change = (all: EntryEdit, store: StoreChange): Promise<void> => {
        const edit = new EntryEdit(all);
        for (const digest of digests) edit.remove(digest);
        store(edit, { isRemoval: true });
        return Promise.resolve();
      };
      await index.edit(change, lock);
      this.removed.manifests.push(...digests);
    });
  }

  /**
   * Removes the blobs that `found` does not contain. Under the lock, skips blobs that have become reachable, or were
   * used within the grace time.
   */
  async removeBlobs(found: Reached): Promise<void> {
    const { index, graph, blobs } = this.#layout;
    const candidates = await this.#candidates(found);
    for (let at = 0; at < candidates.length; at += BATCH) {
      await this.#exclusively(async (lock, now) => {
        const options = { ...this.#options, deleteUntagged: false };
        const { digests } = await reachedFrom(await index.entries(), this.#layout, options, now);
        for (const digest of candidates.slice(at, at + BATCH)) {
          const file = digests.has(digest) ? undefined : await this.#oldFile(digest, now);
          if (file === undefined) continue;
          await lock.confirm();
          if (!(await blobs.removeUnchanged(digest, file))) continue;
          graph.forget(digest);
          this.#count(digest, file);
        }
      });
    }
  }

  async #candidates({ digests }: Reached): Promise<readonly Digest[]> {
    const candidates: Digest[] = [];
    for await (const digest of this.#layout.blobs.all()) {
      this.#options.signal?.throwIfAborted();
      if (!digests.has(digest)) candidates.push(digest);
    }
    return candidates;
  }

  /** Returns the file of a blob if the blob has not been used within the grace time; otherwise undefined. */
  async #oldFile(digest: Digest, now: number): Promise<BlobFile | undefined> {
    const file = await this.#layout.blobs.file(digest);
    return file !== undefined && now - file.used >= this.#options.grace ? file : undefined;
  }

  #count(digest: Digest, { links, size }: BlobFile): void {
    this.removed.blobs.push(digest);
    if (links === 1) this.removed.bytes += size;
  }

  /**
   * Runs `work` under the lock of the layout.
   * @param work - receives the lock and the current time. The time is from the clock of the file system, because it is
   * compared with the times of blob files
   */
  async #exclusively(work: (lock: HeldLock, now: number) => Promise<void>): Promise<void> {
    const { signal, exclusively } = this.#options;
    const locked = (): Promise<void> =>
      this.#editor.exclusive(
        async (lock) => {
          await lock.confirm();
          await work(lock, (await stat(indexLock(this.#layout.root))).mtimeMs);
        },
        { signal },
      );
    await (exclusively === undefined ? locked() : exclusively(locked));
  }
}

function digestsOf(entries: readonly Entry[]): readonly Digest[] {
  return [...new Set(entries.map(({ descriptor }) => descriptor.digest))];
}

async function reachedFrom(
  entries: EntrySet,
  layout: EditedLayout,
  { grace, deleteUntagged = false }: GarbageOptions,
  now: number,
): Promise<Reached> {
  const marking = new Marking(layout);
  const reached = marking.digests;
  const untagged: Entry[] = [];
  for (const entry of entries.all()) {
    if (!deleteUntagged || tagOf(entry) !== undefined) await marking.add(entry.descriptor);
    else untagged.push(entry);
  }
  let unreached = untagged;
  for (let before = -1; before !== reached.size;) {
    before = reached.size;
    const remaining: Entry[] = [];
    for (const entry of unreached) {
      const { digest } = entry.descriptor;
      const subject = (await layout.graph.facts(digest))?.subject?.digest;
      const isNeeded = reached.has(digest) || (subject !== undefined && reached.has(subject));
      if (isNeeded || (await isYoung(digest, layout, now - grace))) await marking.add(entry.descriptor);
      else remaining.push(entry);
    }
    unreached = remaining;
  }
  return { digests: reached, unreached };
}

/** Whether a manifest, or a manifest that it lists directly or indirectly, was used after this time. */
async function isYoung(digest: Digest, { blobs, graph }: EditedLayout, since: number): Promise<boolean> {
  const pending = [digest];
  const seen = new Set<Digest>();
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    if (((await blobs.file(next))?.used ?? 0) > since) return true;
    for (const child of (await graph.facts(next))?.manifests ?? []) {
      if (familyOf(child.mediaType) !== 'other') pending.push(child.digest);
    }
  }
  return false;
}

/** `manifest`: may refer to other content. `blob`: does not. `unknown`: has to be read to find out. */
type ContentKind = 'manifest' | 'unknown' | 'blob';

/** Collects the digests of the added roots, and of all content that they refer to directly or indirectly. */
class Marking {
  readonly #layout: EditedLayout;
  readonly #reached = new Set<Digest>();
  readonly #read = new Set<Digest>();

  constructor(layout: EditedLayout) {
    this.#layout = layout;
  }

  get digests(): ReadonlySet<Digest> {
    return this.#reached;
  }

  async add({ digest, mediaType }: Descriptor): Promise<void> {
    const pending: Link[] = [{ digest, kind: kindOf(mediaType, 'unknown') }];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      this.#reached.add(next.digest);
      if (next.kind === 'blob' || this.#read.has(next.digest)) continue;
      this.#read.add(next.digest);
      for (const child of await this.#links(next)) pending.push(child);
    }
  }

  async #links({ digest, kind }: Link): Promise<readonly Link[]> {
    const { graph, blobs, location } = this.#layout;
    const facts = await graph.facts(digest);
    if (facts === undefined) {
      if (kind === 'unknown' || (await blobs.file(digest)) === undefined) return [];
      const reference = `${location}@${digest}`;
      const reason = `the manifest ${reference} cannot be read, so the content that it refers to is unknown`;
      const message = `cannot collect garbage: ${reason}`;
      throw new MlistError('ERR_MLIST_DOCUMENT_INVALID', message, {
        reference,
        hint: 'Push the manifest again, or delete it.',
      });
    }
    const { manifests, subject } = facts;
    return [
      ...manifests.map((child) => ({ digest: child.digest, kind: kindOf(child.mediaType, 'blob') })),
      ...[...facts.blobs, ...facts.others].map((each) => ({ digest: each, kind: 'blob' as const })),
      ...(subject === undefined ? [] : [{ digest: subject.digest, kind: 'manifest' as const }]),
    ];
  }
}

interface Link {
  readonly digest: Digest;
  readonly kind: ContentKind;
}

function kindOf(mediaType: string, other: ContentKind): ContentKind {
  return familyOf(mediaType) === 'other' ? other : 'manifest';
}
