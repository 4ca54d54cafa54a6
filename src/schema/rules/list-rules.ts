import { MAX_PROBLEMS, type Problem } from '../../errors/errors.ts';
import { attestedDigest, isAttestation, type Descriptor } from '../../oci/descriptor.ts';
import { digestMatches, isVerifiable } from '../../oci/digest.ts';
import { entryName } from '../../oci/entry-name.ts';
import type { Index } from '../../oci/manifest.ts';
import { isDockerType, isIndexType, isManifestType, isSchema1Type, MediaType } from '../../oci/media-type.ts';
import { isUnknownPlatform } from '../../oci/platform/platform.ts';
import { pointerTo } from '../../json/pointer.ts';
import { annotationRules, reserved } from './annotation-rules.ts';
import { isImage, platformRules } from './platform-rules.ts';
import { error, warning } from '../problems.ts';

/**
 * This file contains the rules for lists in docs/rules.md that can be checked without a registry. Each rule takes a
 * list that is valid against its schema, and checks all entries in one pass.
 */

/** Options that change the severity of problems, or the set of rules. */
export interface RuleOptions {
  /**
   * Whether to report unknown platforms, and variants that no client selects, as errors instead of warnings. Default
   * false.
   */
  readonly strict?: boolean | undefined;
  /** Whether to report duplicate platforms and duplicate digests as warnings instead of errors. Default false. */
  readonly allowDuplicates?: boolean | undefined;
  /** Whether the list is the index.json of an OCI layout. Default false. */
  readonly isLayout?: boolean | undefined;
}

type Rule = (list: Index, options: RuleOptions) => Iterable<Problem>;

const rules: readonly Rule[] = [
  empty,
  childTypes,
  mixedTypes,
  digests,
  inlineData,
  repeatedDigests,
  attestations,
  subject,
  urls,
  ...platformRules,
  ...annotationRules,
];

/**
 * The rules for the index.json of a layout. It may list an image several times, and clients do not select from it by
 * platform.
 */
const layoutRules: readonly Rule[] = [digests, inlineData, subject, reserved];

/** Checks a list against the rules. Returns at most MAX_PROBLEMS problems per rule. */
export function checkList(list: Index, options: RuleOptions = {}): readonly Problem[] {
  return (options.isLayout === true ? layoutRules : rules).flatMap((rule) => take(rule(list, options), MAX_PROBLEMS));
}

function take<T>(items: Iterable<T>, limit: number): readonly T[] {
  const first: T[] = [];
  for (const item of items) {
    if (first.length >= limit) break;
    first.push(item);
  }
  return first;
}

function* empty({ manifests }: Index): Iterable<Problem> {
  if (manifests.length === 0) yield warning('W-EMPTY', '/manifests', 'the list is empty');
}

function* childTypes({ manifests, mediaType }: Index): Iterable<Problem> {
  for (const [at, entry] of manifests.entries()) {
    const pointer = pointerTo('manifests', at, 'mediaType');
    if (isSchema1Type(entry.mediaType)) {
      yield error('E-SCHEMA1', pointer, 'image manifest schema 1 is obsolete: a list cannot contain it');
    } else if (isIndexType(entry.mediaType)) {
      const message = 'many clients do not support nested indexes';
      yield mediaType === MediaType.dockerList
        ? error('W-NESTED', pointer, message)
        : warning('W-NESTED', pointer, message);
    }
  }
}

function* mixedTypes({ manifests, mediaType }: Index): Iterable<Problem> {
  const isDocker = mediaType === MediaType.dockerList;
  for (const [at, entry] of manifests.entries()) {
    const pointer = pointerTo('manifests', at, 'mediaType');
    if (isDocker && !isDockerType(entry.mediaType)) {
      yield error(
        'E-MIX',
        pointer,
        `a Docker manifest list cannot contain ${entryName(entry)}, whose media type is ${entry.mediaType}`,
      );
    } else if (!isDocker && isDockerType(entry.mediaType)) {
      yield warning('E-MIX', pointer, 'the OCI index lists a Docker manifest');
    }
  }
}

function* digests({ manifests }: Index): Iterable<Problem> {
  for (const [at, { digest }] of manifests.entries()) {
    if (isVerifiable(digest)) continue;
    yield warning(
      'E-DIGEST',
      pointerTo('manifests', at, 'digest'),
      'unsupported digest algorithm: the content cannot be verified',
    );
  }
}

function* inlineData({ manifests }: Index): Iterable<Problem> {
  for (const [at, { data, digest, size }] of manifests.entries()) {
    if (data === undefined) continue;
    const pointer = pointerTo('manifests', at, 'data');
    const bytes = Buffer.from(data, 'base64');
    if (bytes.toString('base64') !== data) yield error('E-DATA', pointer, 'must be canonical base64');
    else if (bytes.length !== size) yield error('E-DATA', pointer, `has ${bytes.length} bytes, but "size" is ${size}`);
    else if (isVerifiable(digest) && !digestMatches(digest, bytes)) {
      yield error('E-DATA', pointer, 'does not match "digest"');
    }
  }
}

function* repeatedDigests({ manifests }: Index, { allowDuplicates = false }: RuleOptions): Iterable<Problem> {
  // Positions of entries, keyed by their digest, then by the digest of the image that they attest.
  const first = new Map<string, Map<string, number>>();
  for (const [at, entry] of manifests.entries()) {
    const listed = first.get(entry.digest) ?? new Map<string, number>();
    const before = listedBefore(entry, listed);
    if (before === undefined) {
      first.set(entry.digest, listed.set(attestedDigest(entry) ?? '', at));
      continue;
    }
    const pointer = pointerTo('manifests', at, 'digest');
    const same = sameEntry(entry, manifests[before]);
    const message = same
      ? `duplicate of entry ${before}`
      : `the same digest as entry ${before}, but the entries differ in other members`;
    yield same || allowDuplicates ? warning('E-DUP-DIGEST', pointer, message) : error('E-DUP-DIGEST', pointer, message);
  }
}

/**
 * Returns the position of an earlier entry that this entry repeats; undefined if it repeats no entry. An attestation
 * that several images share may be listed once for each image.
 */
function listedBefore(entry: Descriptor, listed: ReadonlyMap<string, number>): number | undefined {
  const subject = attestedDigest(entry);
  const [first] = listed.values();
  return subject === undefined ? first : (listed.get(subject) ?? listed.get(''));
}

function sameEntry(left: Descriptor, right: Descriptor | undefined): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

function* attestations({ manifests }: Index): Iterable<Problem> {
  const known = new Set<string>(manifests.map((entry) => entry.digest));
  for (const [at, entry] of manifests.entries()) {
    if (!isAttestation(entry)) continue;
    const subject = attestedDigest(entry);
    if (subject === undefined || !known.has(subject)) {
      const pointer = pointerTo('manifests', at, 'annotations');
      const message =
        subject === undefined
          ? 'the annotation vnd.docker.reference.digest of the attestation is missing'
          : `the attestation is for the image ${subject}, which is not in the list`;
      yield warning('W-ATT-ORPHAN', pointer, message);
    }
    if (!isUnknownPlatform(entry.platform)) {
      yield error(
        'E-ATT-PLAT',
        pointerTo('manifests', at, 'platform'),
        'an attestation must have the platform unknown/unknown',
      );
    }
  }
}

function* subject(list: Index): Iterable<Problem> {
  if (!('subject' in list)) return;
  const { digest, mediaType } = list.subject;
  if (!isManifestType(mediaType) && !isIndexType(mediaType)) {
    yield error('E-SUBJECT', '/subject/mediaType', 'the subject must be a manifest or an index');
  }
  if (list.manifests.some((entry) => entry.digest === digest)) {
    yield warning('E-SUBJECT', '/subject/digest', 'the subject is an entry of the list itself');
  }
}

function* urls({ manifests }: Index): Iterable<Problem> {
  for (const [at, entry] of manifests.entries()) {
    for (const [position, url] of (entry.urls ?? []).entries()) {
      if (/^https?:/i.test(url)) continue;
      yield warning('W-URLS', pointerTo('manifests', at, 'urls', position), 'must be an http or https URL');
    }
    if (entry.urls !== undefined && isImage(entry)) {
      yield warning('W-URLS', pointerTo('manifests', at, 'urls'), 'clients ignore the "urls" of an image');
    }
  }
}
