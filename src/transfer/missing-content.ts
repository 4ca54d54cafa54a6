import { MlistError } from '../errors/errors.ts';
import type { Digest } from '../oci/digest.ts';

/** `absent` if the content itself is missing; `incomplete` if only something below it is. */
export type MissingState = 'absent' | 'incomplete';

/** Entries of an index that its location does not have. */
export type MissingEntries = ReadonlyMap<Digest, MissingState>;

/** The source of a transfer does not have everything that an index lists. */
export class MissingContent extends MlistError {
  /** Never empty. */
  readonly missing: MissingEntries;

  constructor(reference: string, missing: MissingEntries, cause: unknown) {
    const digests = [...missing.keys()].join(', ');
    super('ERR_MLIST_NOT_FOUND', `${reference} lists content that is not there: ${digests}`, { reference, cause });
    this.missing = missing;
  }
}
