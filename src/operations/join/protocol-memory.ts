import type { Digest } from '../../oci/digest.ts';

/** The memory of a participant between snapshots. */
export interface Memory {
  /** Tags of own slots that are known to have had this participant's images. */
  readonly written: readonly string[];
  /**
   * Whether this participant has sent a list. If its list has overwritten a newer one, it has to restore the newer
   * list.
   */
  readonly hasPut: boolean;
  /** Consecutive snapshots with nothing to do. */
  readonly clean: number;
  /** The last write that the registry refused because its condition did not hold. */
  readonly refused?: { readonly name: string; readonly condition: Condition } | undefined;
  /** The last accepted write of each tag that the registry does not show yet, sorted by tag. */
  readonly accepted: readonly AcceptedWrite[];
  /** Consecutive failed writes, by tag. */
  readonly failures: Readonly<Record<string, number>>;
}

export interface AcceptedWrite {
  readonly name: string;
  readonly digest: Digest;
  /** Previous contents of the tag. While the registry shows one of them, it may not have processed the write yet. */
  readonly before: readonly Shown[];
}

export const initialMemory: Memory = { written: [], hasPut: false, clean: 0, accepted: [], failures: {} };

/** The content of a tag in a snapshot. */
export type Shown = Digest | 'absent';

/** The content that a tag must have for a write to succeed, if the registry supports conditional writes. */
export type Condition = Shown | undefined;

export interface Write {
  /** The tag of a slot, or `LIST`. */
  readonly name: string;
  readonly digest: Digest;
  /** The content of the tag when the write was decided. */
  readonly shown: Shown;
  readonly condition: Condition;
}

/** Stands for the joined tag itself among the written names. It is not a valid tag. */
export const LIST = ':';

/**
 * The memory of a participant after a write.
 * @param outcome - `unclear`: the write failed, but may have been executed
 */
export function afterWrite(memory: Memory, write: Write, outcome: 'done' | 'unclear' | 'refused'): Memory {
  const { name, condition } = write;
  const { written, hasPut, clean, accepted } = memory;
  const { [name]: failed = 0, ...failures } = memory.failures;
  switch (outcome) {
    case 'unclear':
      return { written, hasPut, clean, accepted, failures: { ...failures, [name]: failed + 1 } };
    case 'refused':
      return { written, hasPut, clean, accepted, failures, refused: { name, condition } };
    case 'done':
      return {
        written: name === LIST ? written : [...new Set([...written, name])],
        hasPut,
        clean,
        accepted: withAccepted(accepted, write),
        failures,
      };
  }
}

function withAccepted(accepted: readonly AcceptedWrite[], { name, digest, shown }: Write): readonly AcceptedWrite[] {
  const earlier = accepted.filter((write) => write.name === name);
  const before = new Set([shown, ...earlier.flatMap((write) => [...write.before, write.digest])]);
  const others = accepted.filter((write) => write.name !== name);
  return [...others, { name, digest, before: [...before].sort() }].sort((left, right) =>
    left.name < right.name ? -1 : 1,
  );
}
