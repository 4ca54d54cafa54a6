import type { Digest } from '../../oci/digest.ts';

/** What a participant remembers between snapshots. */
export interface Memory {
  /** The tags under which this participant has stored its slots, or has found its images already stored. */
  readonly written: readonly string[];
  /**
   * Whether this participant has sent a list. If that list has overwritten the list of a newer group, the participant
   * has to restore the newer list.
   */
  readonly hasPut: boolean;
  /** Number of consecutive snapshots with nothing to do. */
  readonly clean: number;
  /** The last write, if the registry refused it because its condition did not hold. */
  readonly refused?: { readonly name: string; readonly condition: Condition } | undefined;
  /** The last accepted write to each tag whose previous content the registry may still return. Sorted by tag. */
  readonly accepted: readonly AcceptedWrite[];
  /** Number of consecutive failed writes, keyed by tag. */
  readonly failures: Readonly<Record<string, number>>;
}

export interface AcceptedWrite {
  readonly name: string;
  readonly digest: Digest;
  /** Previous contents of the tag. While the registry returns one of them, it may not have processed the write yet. */
  readonly before: readonly Shown[];
}

export const initialMemory: Memory = { written: [], hasPut: false, clean: 0, accepted: [], failures: {} };

/** The content of a tag in a snapshot. */
export type Shown = Digest | 'absent';

/**
 * The content that a tag must have for a write to succeed, if the registry supports conditional writes. Undefined if
 * the write is unconditional.
 */
export type Condition = Shown | undefined;

export interface Write {
  /** The tag of a slot, or `LIST`. */
  readonly name: string;
  readonly digest: Digest;
  /** The content of the tag when the write was decided. */
  readonly shown: Shown;
  readonly condition: Condition;
}

/** The name that stands for the joined tag itself. It is not a valid tag, so no slot can have it. */
export const LIST = ':';

/**
 * Returns the memory of a participant after a write.
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
