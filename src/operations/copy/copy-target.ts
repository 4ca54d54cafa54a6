import { MlistError } from '../../errors/errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { EngineLocation } from '../../oci/engine-location.ts';
import { digestIn, formatLocation, storeName, type Location } from '../../oci/location.ts';
import { contentReference, type TagOrDigest } from '../../store/store.ts';
import type { TagState } from '../publish/tag-state.ts';

/** This file checks the target of a copy. */

/** Options of a copy that engines do not support. */
interface EngineOptions {
  readonly referrers?: boolean | undefined;
  readonly expectKept?: boolean | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly ifDigest?: TagState | undefined;
}

/**
 * Refuses options that engines do not support.
 * @throws MlistError `ERR_MLIST_USAGE` if one of these options is set
 */
export function refuseForEngine(
  to: EngineLocation,
  { referrers, expectKept, tags = [], ifDigest }: EngineOptions,
): void {
  const reason =
    referrers === true
      ? 'engines cannot store referrers; copy without referrers'
      : expectKept === true
        ? 'the current platforms of an engine tag are unknown; list the expected platforms instead'
        : tags.length > 0
          ? 'an engine loads an image under one name only; leave out the additional tags'
          : ifDigest !== undefined
            ? 'the digest of an engine tag cannot be checked; leave out the expected digest'
            : undefined;
  if (reason === undefined) return;
  const reference = formatLocation(to);
  throw new MlistError('ERR_MLIST_USAGE', `cannot write to ${reference}: ${reason}`, { reference });
}

/** Returns the reference of content at the target: `LOCATION:TAG` or `LOCATION@DIGEST`. */
export function targetText(to: Location, name: TagOrDigest): string {
  return contentReference(storeName(to), name);
}

/**
 * If the target location contains a digest, requires that the content has this digest.
 * @throws MlistError `ERR_MLIST_EXPECTATION` if the content has another digest
 */
export function checkExpected(to: Location, digest: Digest, target: string): void {
  const expected = digestIn(to);
  if (expected === undefined || expected === digest) return;
  throw new MlistError(
    'ERR_MLIST_EXPECTATION',
    `cannot copy to ${formatLocation(to)}: the digest of the content is ${digest}`,
    {
      reference: target,
      hint: 'Remove the digest from the target, or add it to the source.',
    },
  );
}
