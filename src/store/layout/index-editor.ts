import { join } from 'node:path';
import { MlistError } from '../../errors/errors.ts';
import type { HeldLock } from '../../fs/atomic.ts';
import { withLock } from '../../fs/lock.ts';
import type { ContentOptions, PutOptions } from '../store.ts';
import { conflictError } from '../store.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import type { BlobFolder } from './blob-folder.ts';
import {
  tagOf,
  mediaTypesIn,
  withCorrectedDescriptors,
  withoutDigest,
  withoutMinimalEntries,
  withoutTag,
  withMinimalEntry,
  withUntaggedEntry,
  withTag,
  type Entries,
} from './index-entries.ts';
import { familyOf, typeByDigest } from './manifest-facts.ts';
import { isManifestClaim, type Claim, type ManifestGraph } from './manifest-graph.ts';
import type { IndexFile } from './index-file.ts';
import { SerialQueue } from '../../async/serial-queue.ts';

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
 * The changes of index.json, one at a time. A manifest without a tag has a plain entry until an index lists it: then the
 * entry goes, so that index.json does not fill up with the children of indexes. It stays where the index lists the
 * manifest with a wrong size or type, and where the bytes alone do not say the type under which the manifest was put.
 */
export class IndexEditor {
  readonly #layout: EditedLayout;
  readonly #queue = new SerialQueue();

  constructor(layout: EditedLayout) {
    this.#layout = layout;
  }

  /**
   * Names a manifest whose blob is there: by a tag, or, where nothing names it yet, by an entry without one.
   * @param isNew the blob was not there, or was damaged
   * @throws MlistError `ERR_MLIST_CONFLICT` where the name does not name what is to be replaced
   */
  put(given: Descriptor, tag: string | undefined, isNew: boolean, options: PutOptions): Promise<void> {
    return this.#edit(options, async (entries) => {
      const { graph, keepUntagged } = this.#layout;
      const { digest, size } = given;
      if (options.ifMatch !== undefined) await this.#checkNames(entries, tag ?? digest, options.ifMatch);
      const facts = await graph.facts(digest);
      const descriptor = { mediaType: facts?.stated ?? given.mediaType, digest, size };
      const before = withCorrectedDescriptors(entries, descriptor, facts);
      const mediaType = (await this.#typeBefore(before, digest, isNew)) ?? descriptor.mediaType;
      const stored = { mediaType, digest, size };
      const named = tag === undefined ? await this.#asRoot(before, stored) : withTag(before, descriptor, tag);
      const children = new Set((await graph.children(descriptor)).map((child) => child.digest));
      const after = withoutMinimalEntries(named, children);
      const lost = without(before, after).filter((each) => keepUntagged || children.has(each));
      const kept = await this.#keep(before, after, lost);
      const isSame = typeByDigest(facts, mediaTypesIn(kept, [digest]).get(digest)) === mediaType;
      return isSame || familyOf(mediaType) === 'other' ? kept : withMinimalEntry(kept, stored);
    });
  }

  /** @throws MlistError `ERR_MLIST_NOT_FOUND` where there is no such tag. */
  untag(tag: string, options: ContentOptions): Promise<void> {
    return this.#edit(options, async (before) => {
      if (!before.some((entry) => tagOf(entry) === tag)) throw this.#absent(`:${tag}`);
      const after = withoutTag(before, tag);
      return this.#layout.keepUntagged ? await this.#keep(before, after, without(before, after)) : after;
    });
  }

  /**
   * Removes a manifest with all its tags, and its blob, unless another manifest needs the bytes as a config or a layer.
   * @throws MlistError `ERR_MLIST_NOT_FOUND` where it is not there; `ERR_MLIST_CONFLICT` where the bytes are needed, and an
   *   index lists the manifest: it would still be there
   */
  remove(digest: Digest, options: ContentOptions): Promise<void> {
    const { graph, blobs, keepUntagged } = this.#layout;
    let isNeeded = false;
    const change = async (before: Entries): Promise<Entries> => {
      if (!(await this.#isManifest(before, digest)) || (await blobs.size(digest)) === undefined) {
        throw this.#absent(`@${digest}`);
      }
      const listed =
        (await graph.facts(digest))?.manifests.filter((child) => familyOf(child.mediaType) !== 'other') ?? [];
      const children = keepUntagged ? listed.map((child) => child.digest) : [];
      const after = await this.#keep(before, withoutDigest(before, digest), children, digest);
      isNeeded = await graph.isNeeded(after.map(rootOf), digest);
      if (isNeeded && (await this.#isManifest(after, digest))) throw this.#needed(digest);
      return after;
    };
    // The blob goes last: a crash between the two leaves a blob that nothing names, not a name without its blob.
    return this.#edit(options, change, async (lock) => {
      if (isNeeded) return;
      await lock.confirm();
      await blobs.remove(digest);
      graph.forget(digest);
    });
  }

  async #checkNames(entries: Entries, name: string, expected: Digest | 'absent'): Promise<void> {
    const now = entries.filter((entry) => tagOf(entry) === name).map(({ descriptor }) => descriptor.digest);
    const isMet = expected === 'absent' ? now.length === 0 : now.includes(expected);
    if (isMet || (expected !== 'absent' && name === expected && (await this.#isManifest(entries, expected)))) return;
    throw conflictError(`${this.#layout.location}:${name}`, expected);
  }

  /** The type under which the digest answers so far; undefined where it is not that of a manifest. */
  async #typeBefore(entries: Entries, digest: Digest, isNew: boolean): Promise<string | undefined> {
    const facts = await this.#layout.graph.facts(digest);
    const given = mediaTypesIn(entries, [digest]).get(digest);
    if (facts?.stated !== undefined || given !== undefined) return typeByDigest(facts, given);
    return !isNew && (await this.#isManifest(entries, digest)) ? typeByDigest(facts, undefined) : undefined;
  }

  async #asRoot(entries: Entries, descriptor: Descriptor): Promise<Entries> {
    const { digest } = descriptor;
    const accepts = (claim: Claim): boolean => isTrue(claim, descriptor);
    const claim = (await this.#layout.graph.findClaims(entries.map(rootOf), [digest], { accepts })).get(digest);
    return claim !== undefined && accepts(claim) ? entries : withUntaggedEntry(entries, descriptor);
  }

  async #isManifest(entries: Entries, digest: Digest): Promise<boolean> {
    const claim = (await this.#layout.graph.findClaims(entries.map(rootOf), [digest])).get(digest);
    return claim !== undefined && isManifestClaim(claim);
  }

  /**
   * Gives a plain entry to each of these that is there, and that nothing names any more as what it is, or that would
   * answer under another type.
   */
  async #keep(before: Entries, after: Entries, digests: readonly Digest[], gone?: Digest): Promise<Entries> {
    if (digests.length === 0) return after;
    const { graph, blobs } = this.#layout;
    const [types, typesLeft] = [mediaTypesIn(before, digests), mediaTypesIn(after, digests)];
    const stored = new Map<Digest, Descriptor>();
    for (const digest of digests) {
      const facts = await graph.facts(digest);
      const size = facts?.size ?? (await blobs.size(digest));
      const mediaType = typeByDigest(facts, types.get(digest));
      const isOther = !types.has(digest) && familyOf(mediaType) === 'other';
      if (size !== undefined && !isOther) stored.set(digest, { mediaType, digest, size });
    }
    const accepts = (claim: Claim): boolean => isTrue(claim, stored.get(claim.descriptor.digest));
    const named = await graph.findClaims(after.map(rootOf), stored.keys(), { gone, accepts });
    let kept = after;
    for (const [digest, descriptor] of stored) {
      const claim = named.get(digest);
      const type = typeByDigest(await graph.facts(digest), typesLeft.get(digest));
      const isSame = type === descriptor.mediaType || familyOf(descriptor.mediaType) === 'other';
      if (claim !== undefined && accepts(claim) && isSame) continue;
      if ((await blobs.size(digest)) !== undefined) kept = withMinimalEntry(kept, descriptor);
    }
    return kept;
  }

  #edit(
    { signal }: ContentOptions,
    change: (entries: Entries) => Promise<Entries>,
    after: (lock: HeldLock) => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    const { root, index, location } = this.#layout;
    const work = (lock: HeldLock): Promise<void> => index.edit(change, lock).then(() => after(lock));
    return this.#queue.run(() => withLock(indexLock(root), work, { signal, subject: `the index of ${location}` }));
  }

  #needed(digest: Digest): MlistError {
    const message = `an index lists ${digest}, and another manifest needs its bytes as a config or a layer`;
    return new MlistError('ERR_MLIST_CONFLICT', message, { reference: `${this.#layout.location}@${digest}` });
  }

  #absent(name: string): MlistError {
    const reference = this.#layout.location + name;
    return new MlistError('ERR_MLIST_NOT_FOUND', `${reference} does not exist`, { reference });
  }
}

/** Whether a claim names the content as what it is, so that it can stand for an entry of its own. */
function isTrue({ descriptor, isRoot }: Claim, stored: Descriptor | undefined): boolean {
  if (isRoot) return true;
  return descriptor.size === stored?.size && familyOf(descriptor.mediaType) === familyOf(stored.mediaType);
}

/** The digests of the entries that were removed. */
function without(before: Entries, after: Entries): readonly Digest[] {
  const left = new Set(after);
  return [...new Set(before.filter((entry) => !left.has(entry)).map(({ descriptor }) => descriptor.digest))];
}

function rootOf({ descriptor }: Entries[number]): Descriptor {
  return descriptor;
}
