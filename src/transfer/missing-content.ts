import { MlistError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';

/** An entry of an index that its source does not have. */
export interface MissingEntry {
  readonly entry: Descriptor;
  /** Whether the entry itself is missing, or something below it. */
  readonly isItself: boolean;
  readonly cause: MlistError;
}

/** An index lists content that its source does not have. */
export class MissingContent extends MlistError {
  /** Never empty. */
  readonly missing: readonly MissingEntry[];

  constructor(reference: string, missing: readonly MissingEntry[]) {
    const digests = missing.map(({ entry }) => entry.digest).join(', ');
    super('ERR_MLIST_NOT_FOUND', `${reference} lists content that is not there: ${digests}`, {
      reference,
      cause: missing[0]?.cause,
    });
    this.missing = missing;
  }
}
