import { Limiter } from '../../async/limiter.ts';
import { getOrCreate } from '../../async/single-flight.ts';
import { asMlistError, errorCode, type Problem } from '../../errors/errors.ts';
import { MAX_DOCUMENT_BYTES } from '../../json/parse.ts';
import { attestedDigest, minimalDescriptor, type Descriptor } from '../../oci/descriptor.ts';
import { shortDigest, type Digest } from '../../oci/digest.ts';
import { entryName } from '../../oci/entry-name.ts';
import { isIndexType, isManifestType } from '../../oci/media-type.ts';
import { readImageManifest, readIndex } from '../../schema/documents.ts';
import { error } from '../../schema/problems.ts';
import { isImage } from '../../schema/rules/platform-rules.ts';
import type { Stores } from '../../store/open.ts';
import { contentReference, type ContentOptions, type ReadStore } from '../../store/store.ts';
import { MAX_DEPTH } from '../../transfer/graph.ts';
import { listReferrers } from '../list-referrers.ts';
import {
  bundledPredicate,
  mayHoldAttestations,
  readStatement,
  statementLayers,
  type StatementLayer,
} from './attestation-statement.ts';
import type { Roots } from './content-roots.ts';
import type { Root, UnreadableRoot } from './deep-check.ts';
import { meets, type PredicateRequirement } from './predicate-requirement.ts';

/**
 * This file checks that each image of a list has attestations with certain predicate types (docs/rules.md,
 * E-ATTESTATION).
 */

/** Maximum number of images that are checked concurrently. */
const IMAGES_AT_ONCE = 8;
/** Maximum number of listed attestations, of referrers, and of statements that are read for each image. */
const MAX_READ = 32;
/**
 * A message quotes at most `MAX_NAMED` predicate types and `MAX_TEXT` characters of each, because they come from
 * untrusted images.
 */
const MAX_NAMED = 8;
const MAX_TEXT = 200;

/** An image, and the attestations that the list has for it. */
interface Attested {
  readonly image: Root | UnreadableRoot;
  readonly listed: readonly (Root | UnreadableRoot)[];
}

/** What the check of one image has found so far. */
interface Findings {
  /** Requirements that are not met yet. */
  readonly missing: Set<PredicateRequirement>;
  readonly predicateTypes: Set<string>;
  /** Messages that explain why attestations were ignored or not read. */
  readonly faults: string[];
  /** The number of statements that were read. */
  statements: number;
}

export class AttestationCheck {
  readonly #requirements: readonly PredicateRequirement[];
  readonly #stores: Stores;
  readonly #options: ContentOptions;
  readonly #images = new Limiter(IMAGES_AT_ONCE);
  /**
   * The manifests that have been read, keyed by location and digest, because several images may share an attestation.
   */
  readonly #read = new Map<string, Promise<Uint8Array>>();

  constructor(requirements: readonly PredicateRequirement[], stores: Stores, options: ContentOptions) {
    this.#requirements = requirements;
    this.#stores = stores;
    this.#options = options;
  }

  /**
   * Returns a problem for each image that lacks a required attestation, for each nested index that cannot be read, and
   * for a list without images.
   * @throws MlistError if a read fails for a reason other than missing or invalid content, such as a network error
   */
  async run({ manifests, image }: Roots): Promise<readonly Problem[]> {
    const problems: Problem[] = [];
    const attested =
      image === undefined ? await this.#attestedIn(manifests, [], problems) : [{ image, listed: [] } as const];
    if (attested.length === 0 && problems.length === 0)
      return [error('E-ATTESTATION', '', 'there is no image that could have attestations')];
    const checked = await Promise.all(attested.map((one) => this.#images.run(() => this.#check(one))));
    return [...problems, ...checked.flat()];
  }

  /** Returns the images of a list and of its nested indexes, with the attestations that the same list has for them. */
  async #attestedIn(
    entries: readonly (Root | UnreadableRoot)[],
    above: readonly Digest[],
    problems: Problem[],
  ): Promise<readonly Attested[]> {
    const images = entries.filter(({ descriptor }) => isImage(descriptor));
    const indexes = entries.filter(({ descriptor }) => isIndexType(descriptor.mediaType));
    const nested = await Promise.all(indexes.map((index) => this.#attestedBelow(index, above, problems)));
    const listed = byAttested(entries);
    const own = images.map((image) => ({ image, listed: listed.get(image.descriptor.digest) ?? [] }));
    return [...own, ...nested.flat()];
  }

  async #attestedBelow(
    index: Root | UnreadableRoot,
    above: readonly Digest[],
    problems: Problem[],
  ): Promise<readonly Attested[]> {
    const { descriptor, pointer } = index;
    try {
      if ('fault' in index) throw index.fault;
      if (above.includes(descriptor.digest) || above.length >= MAX_DEPTH) return [];
      const { manifests } = readIndex(await this.#bytesOf(index), descriptor.mediaType, descriptor.digest);
      const inside = manifests.map((entry) => ({ descriptor: entry, store: index.store, pointer }));
      return await this.#attestedIn(inside, [...above, descriptor.digest], problems);
    } catch (thrown) {
      problems.push(error('E-ATTESTATION', pointer, `the index ${faultText(thrown, descriptor)}`));
      return [];
    }
  }

  async #check({ image, listed }: Attested): Promise<readonly Problem[]> {
    const { descriptor, pointer } = image;
    const findings: Findings = {
      missing: new Set(this.#requirements),
      predicateTypes: new Set(),
      faults: [],
      statements: 0,
    };
    for (const [at, attestation] of listed.entries()) {
      if (findings.missing.size === 0) break;
      if (at === MAX_READ) {
        findings.faults.push(`only the first ${MAX_READ} attestations in the list were read`);
        break;
      }
      await this.#readAttestation(attestation, descriptor.digest, findings);
    }
    if (findings.missing.size > 0) {
      if ('fault' in image) findings.faults.push(faultText(image.fault, descriptor));
      else await this.#readReferrers(image, findings);
    }
    return findings.missing.size === 0 ? [] : [error('E-ATTESTATION', pointer, lackText(descriptor, findings))];
  }

  async #readReferrers({ descriptor: image, store, pointer }: Root, findings: Findings): Promise<void> {
    // Docker archives and engine images have no referrers. The referrers tag is not looked up in them, because they
    // return their only image for every tag.
    if (store.referrers === undefined && store.storedSize !== undefined) return;
    const referrers = (await listReferrers(store, image.digest, this.#options)).filter(mayHoldAttestations);
    let read = 0;
    for (const referrer of referrers) {
      if (findings.missing.size === 0) return;
      const stated = bundledPredicate(referrer);
      if (stated !== undefined && ![...findings.missing].some((requirement) => meets(stated, requirement))) {
        findings.predicateTypes.add(stated);
        continue;
      }
      read += 1;
      if (read > MAX_READ) {
        findings.faults.push(`only the first ${MAX_READ} referrers were read`);
        return;
      }
      await this.#readAttestation({ descriptor: referrer, store, pointer }, image.digest, findings, true);
    }
  }

  /** Records the predicate types of an attestation. If its content is missing or invalid, records a fault instead. */
  async #readAttestation(
    attestation: Root | UnreadableRoot,
    image: Digest,
    findings: Findings,
    isReferrer = false,
  ): Promise<void> {
    const { descriptor } = attestation;
    try {
      if ('fault' in attestation) throw attestation.fault;
      if (!isManifestType(descriptor.mediaType)) return;
      const manifest = readImageManifest(await this.#bytesOf(attestation), descriptor.mediaType, descriptor.digest);
      const subject = manifest.subject?.digest;
      if (subject === undefined ? isReferrer : subject !== image) {
        findings.faults.push(`the subject of ${shortDigest(descriptor.digest)} is not this image`);
        return;
      }
      for (const layer of statementLayers(manifest)) await this.#note(layer, attestation.store, image, findings);
    } catch (thrown) {
      findings.faults.push(faultText(thrown, descriptor));
    }
  }

  /** Records the predicate type of a layer. The statement is read only if the annotations lack the type. */
  async #note(
    { layer, predicateType }: StatementLayer,
    store: ReadStore,
    image: Digest,
    findings: Findings,
  ): Promise<void> {
    const type = predicateType ?? (await this.#readType(layer, store, image, findings));
    if (type === undefined) return;
    findings.predicateTypes.add(type);
    for (const requirement of findings.missing) if (meets(type, requirement)) findings.missing.delete(requirement);
  }

  async #readType(layer: Descriptor, store: ReadStore, image: Digest, findings: Findings): Promise<string | undefined> {
    const { faults } = findings;
    const name = shortDigest(layer.digest);
    findings.statements += 1;
    if (findings.statements > MAX_READ) {
      if (findings.statements === MAX_READ + 1) faults.push(`only the first ${MAX_READ} statements were read`);
      return undefined;
    }
    if (layer.size > MAX_DOCUMENT_BYTES) {
      faults.push(`the statement ${name} is too large to be read, and its predicate type is not annotated`);
      return undefined;
    }
    const statement = readStatement(await store.fetchBlob(layer, this.#options));
    if (statement?.isAbout(image) === true) return statement.predicateType;
    faults.push(`${name} is not a statement about this image`);
    return undefined;
  }

  #bytesOf({ descriptor, store }: Root): Promise<Uint8Array> {
    const { digest, size } = descriptor;
    return getOrCreate(this.#read, contentReference(store.location, digest), async () => {
      const known = await this.#stores.cache.get(digest);
      if (known?.length === size) return known;
      const expected = minimalDescriptor(descriptor);
      return (await store.fetchManifest(digest, { ...this.#options, expected })).bytes;
    });
  }
}

/** Groups the attestations in a list by the digest of their image. */
function byAttested<T extends { readonly descriptor: Descriptor }>(
  entries: readonly T[],
): ReadonlyMap<string, readonly T[]> {
  const found = new Map<string, T[]>();
  for (const entry of entries) {
    const digest = attestedDigest(entry.descriptor);
    if (digest !== undefined) getOrCreate(found, digest, () => []).push(entry);
  }
  return found;
}

/** Describes missing or invalid content. Rethrows any other error, because the image could not be checked. */
function faultText(thrown: unknown, { digest }: Descriptor): string {
  switch (errorCode(thrown)) {
    case 'ERR_MLIST_NOT_FOUND':
      return `${shortDigest(digest)} is missing`;
    case 'ERR_MLIST_CONTENT_MISMATCH':
    case 'ERR_MLIST_DOCUMENT_INVALID':
      return `${shortDigest(digest)} is invalid: ${asMlistError(thrown).message}`;
    default:
      throw thrown;
  }
}

function lackText(image: Descriptor, { missing, predicateTypes, faults }: Findings): string {
  const names = [...missing].map(({ name }) => name).join(', ');
  const types = [...predicateTypes].map((type) => type.slice(0, MAX_TEXT));
  const found = types.length === 0 ? 'none' : shortened(types).join(', ');
  return `${entryName(image)} lacks attestations: ${names} (found: ${[found, ...shortened(faults)].join('; ')})`;
}

function shortened(texts: readonly string[]): readonly string[] {
  const more = texts.length - MAX_NAMED;
  return more > 0 ? [...texts.slice(0, MAX_NAMED), `${more} more`] : texts;
}
