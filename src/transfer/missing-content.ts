import { MlistError } from '../errors/errors.ts';
import type { Digest } from '../oci/digest.ts';

/** `absent` if the content itself is missing; `incomplete` if one of its descendants is. */
export type MissingState = 'absent' | 'incomplete';

/** The entries of an index that are missing or incomplete in the location of the index, keyed by digest. */
export type MissingEntries = ReadonlyMap<Digest, MissingState>;

/** Thrown if the source of a transfer does not have all content that an index lists. */
export class MissingContent extends MlistError {
  /** The missing entries; never empty. */
  readonly missing: MissingEntries;

  constructor(reference: string, missing: MissingEntries, cause: unknown) {
    const digests = [...missing.keys()].join(', ');
    super(
      'ERR_MLIST_NOT_FOUND',
      `${reference} lists manifests that are missing or incomplete in its location: ${digests}`,
      {
        reference,
        cause,
      },
    );
    this.missing = missing;
  }
}
