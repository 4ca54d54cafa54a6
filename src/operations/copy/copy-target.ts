import { MlistError } from '../../errors/errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { EngineLocation } from '../../oci/engine-location.ts';
import { digestIn, formatLocation, storeName, type Location } from '../../oci/location.ts';
import { contentReference, type TagOrDigest } from '../../store/store.ts';
import type { TagState } from '../publish/tag-state.ts';

/** Checks of the target of a copy. */

/** Options of a copy that need more than an engine can hold or report. */
interface EngineOptions {
  readonly referrers?: boolean | undefined;
  readonly expectKept?: boolean | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly ifDigest?: TagState | undefined;
}

/**
 * Refuses these options if the target is an engine.
 * @throws MlistError `ERR_MLIST_USAGE`
 */
export function refuseForEngine(
  to: EngineLocation,
  { referrers, expectKept, tags = [], ifDigest }: EngineOptions,
): void {
  const reason =
    referrers === true
      ? 'engines do not hold referrers: copy without them'
      : expectKept === true
        ? 'the platforms of a tag in an engine are not known: name the expected ones'
        : tags.length > 0
          ? 'an image is loaded under one name: leave out further tags'
          : ifDigest !== undefined
            ? 'the names of an engine cannot be checked: leave out the expected digest'
            : undefined;
  if (reason === undefined) return;
  const reference = formatLocation(to);
  throw new MlistError('ERR_MLIST_USAGE', `cannot write ${reference}: ${reason}`, { reference });
}

/** The reference of a name at the target. */
export function targetText(to: Location, name: TagOrDigest): string {
  return contentReference(storeName(to), name);
}

/**
 * Checks the digest in the target.
 * @throws MlistError `ERR_MLIST_EXPECTATION` if the content has another digest
 */
export function checkExpected(to: Location, digest: Digest, target: string): void {
  const expected = digestIn(to);
  if (expected === undefined || expected === digest) return;
  throw new MlistError(
    'ERR_MLIST_EXPECTATION',
    `${target} was expected to be ${expected}, but the content to copy is ${digest}`,
    {
      reference: target,
      hint: 'Leave out the digest of the target, or use it for the source.',
    },
  );
}
