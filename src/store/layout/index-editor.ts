import { join } from 'node:path';
import { MlistError } from '../../errors/errors.ts';
import type { HeldLock } from '../../fs/atomic.ts';
import { withLock } from '../../fs/lock.ts';
import { conflictError, contentReference, type ContentOptions, type PutOptions } from '../store.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import type { BlobFolder } from './blob-folder.ts';
import {
  descriptorsOf,
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

/** The lock for writes to index.json. Other tools do not use it. */
export function indexLock(root: string): string {
  return join(root, '.index.json.lock');
}

/**
 * Edits index.json, one change at a time. An untagged manifest has a minimal entry until an index lists it. Then the entry
 * is removed, so that index.json does not list all children of indexes. The entry is kept if the index lists the manifest
 * with a wrong size or type, or if the media type of the PUT cannot be derived from the bytes.
 */
export class IndexEditor {
  readonly #layout: EditedLayout;
  readonly #queue = new SerialQueue();

  constructor(layout: EditedLayout) {
    this.#layout = layout;
  }

  /**
   * Adds a manifest whose blob is stored: under a tag, or as an untagged entry if nothing lists it yet.
   * @param isNew - whether the blob was missing or damaged before
   * @throws MlistError `ERR_MLIST_CONFLICT` if the condition of the options is not met
   */
  put(requested: Descriptor, tag: string | undefined, isNew: boolean, options: PutOptions): Promise<void> {
    return this.#edit(options, async (entries) => {
      const { graph, keepUntagged } = this.#layout;
      const { digest, size } = requested;
      if (options.ifMatch !== undefined) await this.#checkCondition(entries, tag ?? digest, options.ifMatch);
      const facts = await graph.facts(digest);
      const descriptor = { mediaType: facts?.stated ?? requested.mediaType, digest, size };
      const before = withCorrectedDescriptors(entries, descriptor, facts);
      const mediaType = (await this.#currentType(before, digest, isNew)) ?? descriptor.mediaType;
      const stored = { mediaType, digest, size };
      const listed = tag === undefined ? await this.#withListed(before, stored) : withTag(before, descriptor, tag);
      const children = new Set((await graph.children(descriptor)).map((child) => child.digest));
      const after = withoutMinimalEntries(listed, children);
      const lost = removedDigests(before, after).filter((each) => keepUntagged || children.has(each));
      const result = await this.#keepListed(before, after, lost);
      const isSame = typeByDigest(facts, mediaTypesIn(result, [digest]).get(digest)) === mediaType;
      return isSame || familyOf(mediaType) === 'other' ? result : withMinimalEntry(result, stored);
    });
  }

  /** @throws MlistError `ERR_MLIST_NOT_FOUND` if the tag does not exist */
  untag(tag: string, options: ContentOptions): Promise<void> {
    return this.#edit(options, async (before) => {
      if (!before.some((entry) => tagOf(entry) === tag)) throw this.#notFound(`:${tag}`);
      const after = withoutTag(before, tag);
      return this.#layout.keepUntagged ? await this.#keepListed(before, after, removedDigests(before, after)) : after;
    });
  }

  /**
   * Removes a manifest with all its tags. Its blob is removed too, unless another manifest has it as its config or a layer.
   * @throws MlistError `ERR_MLIST_NOT_FOUND`; `ERR_MLIST_CONFLICT` if the blob is needed and an index lists the manifest,
   *   because the manifest would still exist
   */
  remove(digest: Digest, options: ContentOptions): Promise<void> {
    const { graph, blobs, keepUntagged } = this.#layout;
    let isNeeded = false;
    const change = async (before: Entries): Promise<Entries> => {
      if (!(await this.#isManifest(before, digest)) || (await blobs.size(digest)) === undefined) {
        throw this.#notFound(`@${digest}`);
      }
      const manifests =
        (await graph.facts(digest))?.manifests.filter((child) => familyOf(child.mediaType) !== 'other') ?? [];
      const children = keepUntagged ? manifests.map((child) => child.digest) : [];
      const after = await this.#keepListed(before, withoutDigest(before, digest), children, digest);
      isNeeded = await graph.isNeeded(descriptorsOf(after), digest);
      if (isNeeded && (await this.#isManifest(after, digest))) throw this.#inUse(digest);
      return after;
    };
    // The blob is removed last: a crash in between leaves an unlisted blob, not an entry without a blob.
    return this.#edit(options, change, async (lock) => {
      if (isNeeded) return;
      await lock.confirm();
      await blobs.remove(digest);
      graph.forget(digest);
    });
  }

  async #checkCondition(entries: Entries, name: string, expected: Digest | 'absent'): Promise<void> {
    const current = entries.filter((entry) => tagOf(entry) === name).map(({ descriptor }) => descriptor.digest);
    const isMet = expected === 'absent' ? current.length === 0 : current.includes(expected);
    if (isMet || (expected !== 'absent' && name === expected && (await this.#isManifest(entries, expected)))) return;
    throw conflictError(contentReference(this.#layout.location, name), expected);
  }

  /** The media type of the digest before the edit; undefined if it is not a manifest. */
  async #currentType(entries: Entries, digest: Digest, isNew: boolean): Promise<string | undefined> {
    const facts = await this.#layout.graph.facts(digest);
    const listed = mediaTypesIn(entries, [digest]).get(digest);
    if (facts?.stated !== undefined || listed !== undefined) return typeByDigest(facts, listed);
    return !isNew && (await this.#isManifest(entries, digest)) ? typeByDigest(facts, undefined) : undefined;
  }

  /** Adds an untagged entry, unless an entry or an index already lists the manifest correctly. */
  async #withListed(entries: Entries, descriptor: Descriptor): Promise<Entries> {
    const { digest } = descriptor;
    const accepts = (claim: Claim): boolean => isCorrect(claim, descriptor);
    const claim = (await this.#layout.graph.findClaims(descriptorsOf(entries), [digest], { accepts })).get(digest);
    return claim !== undefined && accepts(claim) ? entries : withUntaggedEntry(entries, descriptor);
  }

  async #isManifest(entries: Entries, digest: Digest): Promise<boolean> {
    const claim = (await this.#layout.graph.findClaims(descriptorsOf(entries), [digest])).get(digest);
    return claim !== undefined && isManifestClaim(claim);
  }

  /**
   * Adds a minimal entry for each of these digests that is stored, if no entry or index lists it correctly any more, or if
   * its media type would change.
   * @param removed - the manifest that is being removed
   */
  async #keepListed(before: Entries, after: Entries, digests: readonly Digest[], removed?: Digest): Promise<Entries> {
    if (digests.length === 0) return after;
    const { graph, blobs } = this.#layout;
    const [typesBefore, typesAfter] = [mediaTypesIn(before, digests), mediaTypesIn(after, digests)];
    const stored = new Map<Digest, Descriptor>();
    for (const digest of digests) {
      const facts = await graph.facts(digest);
      const size = facts?.size ?? (await blobs.size(digest));
      const mediaType = typeByDigest(facts, typesBefore.get(digest));
      const isOther = !typesBefore.has(digest) && familyOf(mediaType) === 'other';
      if (size !== undefined && !isOther) stored.set(digest, { mediaType, digest, size });
    }
    const accepts = (claim: Claim): boolean => isCorrect(claim, stored.get(claim.descriptor.digest));
    const claims = await graph.findClaims(descriptorsOf(after), stored.keys(), { removed, accepts });
    let entries = after;
    for (const [digest, descriptor] of stored) {
      const claim = claims.get(digest);
      const type = typeByDigest(await graph.facts(digest), typesAfter.get(digest));
      const isSame = type === descriptor.mediaType || familyOf(descriptor.mediaType) === 'other';
      if (claim !== undefined && accepts(claim) && isSame) continue;
      if ((await blobs.size(digest)) !== undefined) entries = withMinimalEntry(entries, descriptor);
    }
    return entries;
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

  #inUse(digest: Digest): MlistError {
    const message = `an index lists ${digest}, and another manifest needs its bytes as a config or a layer`;
    return new MlistError('ERR_MLIST_CONFLICT', message, { reference: `${this.#layout.location}@${digest}` });
  }

  #notFound(name: string): MlistError {
    const reference = this.#layout.location + name;
    return new MlistError('ERR_MLIST_NOT_FOUND', `${reference} does not exist`, { reference });
  }
}

/** Whether a claim lists the content correctly, so that it needs no entry of its own. */
function isCorrect({ descriptor, isRoot }: Claim, stored: Descriptor | undefined): boolean {
  if (isRoot) return true;
  return descriptor.size === stored?.size && familyOf(descriptor.mediaType) === familyOf(stored.mediaType);
}

function removedDigests(before: Entries, after: Entries): readonly Digest[] {
  const remaining = new Set(after);
  return [...new Set(before.filter((entry) => !remaining.has(entry)).map(({ descriptor }) => descriptor.digest))];
}
