import type { Problem } from '../../errors/errors.ts';
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
 * What a list must keep beyond its schema: the rules of docs/rules.md that need no registry.
 * Each takes a list that fits its schema and looks at all entries in one pass.
 */
export interface RuleOptions {
  /** Refuse unknown platforms, and variants that no client selects, instead of warning. */
  readonly strict?: boolean | undefined;
  /** Let two entries have one platform, or one manifest two. */
  readonly allowDuplicates?: boolean | undefined;
  /** The list is the index.json of an OCI layout. */
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

/** The index.json of a layout may name one image several times, and clients do not select by platform in it. */
const layoutRules: readonly Rule[] = [digests, inlineData, subject, reserved];

/** Most problems that one rule reports: a hostile list must not buy memory. */
const PER_RULE = 100;

export function checkList(list: Index, options: RuleOptions = {}): readonly Problem[] {
  return (options.isLayout === true ? layoutRules : rules).flatMap((rule) => take(rule(list, options), PER_RULE));
}

function take<T>(items: Iterable<T>, most: number): readonly T[] {
  const taken: T[] = [];
  for (const item of items) {
    if (taken.length >= most) break;
    taken.push(item);
  }
  return taken;
}

function* empty({ manifests }: Index): Iterable<Problem> {
  if (manifests.length === 0) yield warning('W-EMPTY', '/manifests', 'the list is empty');
}

function* childTypes({ manifests, mediaType }: Index): Iterable<Problem> {
  for (const [at, entry] of manifests.entries()) {
    const pointer = pointerTo('manifests', at, 'mediaType');
    if (isSchema1Type(entry.mediaType)) {
      yield error('E-SCHEMA1', pointer, 'an image of the obsolete schema 1 cannot be listed');
    } else if (isIndexType(entry.mediaType)) {
      const fault = 'an index inside the list: many clients do not look into it';
      yield mediaType === MediaType.dockerList
        ? error('W-NESTED', pointer, fault)
        : warning('W-NESTED', pointer, fault);
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
        `a Docker manifest list cannot hold ${entry.mediaType}, which ${entryName(entry)} is`,
      );
    } else if (!isDocker && isDockerType(entry.mediaType)) {
      yield warning('E-MIX', pointer, 'a Docker manifest inside an OCI index');
    }
  }
}

function* digests({ manifests }: Index): Iterable<Problem> {
  for (const [at, { digest }] of manifests.entries()) {
    if (isVerifiable(digest)) continue;
    yield warning('E-DIGEST', pointerTo('manifests', at, 'digest'), 'content cannot be checked with this algorithm');
  }
}

function* inlineData({ manifests }: Index): Iterable<Problem> {
  for (const [at, { data, digest, size }] of manifests.entries()) {
    if (data === undefined) continue;
    const pointer = pointerTo('manifests', at, 'data');
    const bytes = Buffer.from(data, 'base64');
    if (bytes.toString('base64') !== data) yield error('E-DATA', pointer, 'is not canonical base64');
    else if (bytes.length !== size)
      yield error('E-DATA', pointer, `holds ${bytes.length} bytes, not the ${size} of "size"`);
    else if (isVerifiable(digest) && !digestMatches(digest, bytes)) {
      yield error('E-DATA', pointer, 'is not the content that "digest" names');
    }
  }
}

function* repeatedDigests({ manifests }: Index, { allowDuplicates = false }: RuleOptions): Iterable<Problem> {
  // By the digest of the entry, then by the digest that it attests.
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
      ? `the same entry as number ${before}`
      : `the same manifest as entry ${before}, described otherwise`;
    yield same || allowDuplicates ? warning('E-DUP-DIGEST', pointer, message) : error('E-DUP-DIGEST', pointer, message);
  }
}

/** The position of an earlier equal entry. An attestation of several images may be listed once for each of them. */
function listedBefore(entry: Descriptor, listed: ReadonlyMap<string, number>): number | undefined {
  const subject = attestedDigest(entry);
  const [any] = listed.values();
  return subject === undefined ? any : (listed.get(subject) ?? listed.get(''));
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
      yield warning('W-ATT-ORPHAN', pointer, `an attestation of ${subject ?? 'nothing'}, which is not in the list`);
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
    yield error('E-SUBJECT', '/subject/mediaType', 'a subject must be a manifest or an index');
  }
  if (list.manifests.some((entry) => entry.digest === digest)) {
    yield warning('E-SUBJECT', '/subject/digest', 'the subject is an entry of the list itself');
  }
}

function* urls({ manifests }: Index): Iterable<Problem> {
  for (const [at, entry] of manifests.entries()) {
    for (const [position, url] of (entry.urls ?? []).entries()) {
      if (/^https?:/i.test(url)) continue;
      yield warning('W-URLS', pointerTo('manifests', at, 'urls', position), 'is neither http nor https');
    }
    if (entry.urls !== undefined && isImage(entry)) {
      yield warning('W-URLS', pointerTo('manifests', at, 'urls'), 'addresses on an image: clients do not follow them');
    }
  }
}
