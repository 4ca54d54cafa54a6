import { join } from 'node:path';
import { MlistError } from '../../errors.ts';
import { withLock } from '../../files/lock.ts';
import type { ContentOptions, PutOptions } from '../../oci/content.ts';
import { movedName } from '../../oci/moved-name.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import type { BlobFolder } from './blob-folder.ts';
import { tagOf, withoutDigest, withoutPlain, withoutTag, withRoot, withTag, type Entries } from './entries.ts';
import type { ManifestGraph } from './graph.ts';
import type { IndexFile } from './index-file.ts';
import { Queue } from '../../files/queue.ts';

/** What an edit needs to know of the layout. */
export interface EditedLayout {
  readonly root: string;
  readonly location: string;
  readonly index: IndexFile;
  readonly graph: ManifestGraph;
  readonly blobs: BlobFolder;
  /** Whether a manifest that loses its last tag, or the last index that lists it, keeps an entry. */
  readonly keepUntagged: boolean;
}

/** The lock that every writer of index.json takes; other tools do not know it. */
export function indexLock(root: string): string {
  return join(root, '.index.json.lock');
}

/**
 * The changes of index.json, one at a time. A manifest without a tag has an entry until an index lists it: then the
 * entry goes, so that index.json does not fill up with the children of indexes.
 */
export class Edits {
  readonly #layout: EditedLayout;
  readonly #queue = new Queue();

  constructor(layout: EditedLayout) {
    this.#layout = layout;
  }

  /**
   * Names a manifest whose blob is there: by a tag, or, where nothing names it yet, by an entry without one.
   * @throws MlistError `ERR_MLIST_CONFLICT` where the name does not name what is to be replaced
   */
  put(descriptor: Descriptor, tag: string | undefined, options: PutOptions): Promise<void> {
    return this.#edit(options, async (before) => {
      const { graph } = this.#layout;
      if (options.ifMatch !== undefined) await this.#checkNames(before, tag ?? descriptor.digest, options.ifMatch);
      const children = (await graph.children(descriptor)).map(({ digest }) => digest);
      const named = tag === undefined ? await this.#asRoot(before, descriptor) : withTag(before, descriptor, tag);
      const after = withoutPlain(named, children);
      return await this.#keep(after, before.map(rootOf));
    });
  }

  /** @throws MlistError `ERR_MLIST_NOT_FOUND` where there is no such tag. */
  untag(tag: string, options: ContentOptions): Promise<void> {
    return this.#edit(options, async (before) => {
      if (!before.some((entry) => tagOf(entry) === tag)) throw this.#absent(`:${tag}`);
      return await this.#keep(withoutTag(before, tag), before.map(rootOf));
    });
  }

  /**
   * Takes away a manifest with all its tags, and its blob.
   * @throws MlistError `ERR_MLIST_NOT_FOUND` where it is not there.
   */
  remove(digest: Digest, options: ContentOptions): Promise<void> {
    const { graph, blobs } = this.#layout;
    const change = async (before: Entries): Promise<Entries> => {
      const descriptor = (await graph.named(before.map(rootOf), [digest])).get(digest);
      if (descriptor === undefined || (await blobs.size(digest)) === undefined) throw this.#absent(`@${digest}`);
      return await this.#keep(withoutDigest(before, digest), await graph.children(descriptor), digest);
    };
    // The blob goes last: a crash between the two leaves a blob that nothing names, not a name without its blob.
    return this.#edit(options, change, async () => {
      await blobs.remove(digest);
      graph.forget(digest);
    });
  }

  async #checkNames(entries: Entries, name: string, expected: Digest | 'absent'): Promise<void> {
    const now = entries.filter((entry) => tagOf(entry) === name).map(({ descriptor }) => descriptor.digest);
    const isMet = expected === 'absent' ? now.length === 0 : now.includes(expected);
    if (isMet || (expected !== 'absent' && name === expected && (await this.#isNamed(entries, expected)))) return;
    throw movedName(`${this.#layout.location}:${name}`, expected);
  }

  async #asRoot(entries: Entries, descriptor: Descriptor): Promise<Entries> {
    return (await this.#isNamed(entries, descriptor.digest)) ? entries : withRoot(entries, descriptor);
  }

  /** Whether an entry names it, or a list below one does. */
  async #isNamed(entries: Entries, digest: Digest): Promise<boolean> {
    return (await this.#layout.graph.named(entries.map(rootOf), [digest])).has(digest);
  }

  /** Gives an entry to each of these that is there and that nothing names any more. */
  async #keep(entries: Entries, candidates: readonly Descriptor[], gone?: Digest): Promise<Entries> {
    const { graph, blobs, keepUntagged } = this.#layout;
    const there = new Set(entries.map(({ descriptor }) => descriptor.digest));
    const unnamed = candidates.filter(({ digest }) => !there.has(digest));
    if (!keepUntagged || unnamed.length === 0) return entries;
    const roots = entries.map(rootOf);
    const digests = unnamed.map(({ digest }) => digest);
    const named = await graph.named(roots, digests, gone);
    let kept = entries;
    for (const descriptor of unnamed) {
      const isLost = !named.has(descriptor.digest) && (await blobs.size(descriptor.digest)) !== undefined;
      if (isLost) kept = withRoot(kept, descriptor);
    }
    return kept;
  }

  #edit(
    { signal }: ContentOptions,
    change: (entries: Entries) => Promise<Entries>,
    after: () => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    const { root, index, location } = this.#layout;
    const work = (): Promise<void> => index.edit(change).then(after);
    return this.#queue.run(() => withLock(indexLock(root), work, { signal, subject: `the index of ${location}` }));
  }

  #absent(name: string): MlistError {
    const reference = this.#layout.location + name;
    return new MlistError('ERR_MLIST_NOT_FOUND', `${reference} does not exist`, { reference });
  }
}

function rootOf({ descriptor }: Entries[number]): Descriptor {
  return descriptor;
}
