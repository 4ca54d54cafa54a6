import type { Digest } from '../../oci/digest.ts';

/** What a runner remembers from look to look. */
export interface Memory {
  /** Tags of slots that are known to have had what this runner brings. */
  readonly written: readonly string[];
  /** It has sent a list: what another has written since may be lost, and this runner has to mend it. */
  readonly hasPut: boolean;
  /** Looks in a row that found nothing to do. */
  readonly clean: number;
  /** The last write that the registry refused since something else was there, as it said. */
  readonly refused?: { readonly name: string; readonly condition: Condition } | undefined;
  /** The last accepted write of each tag, until the registry shows it. In the order of the tags. */
  readonly accepted: readonly AcceptedWrite[];
  /** How many writes of a tag have failed in a row, by tag. */
  readonly failures: Readonly<Record<string, number>>;
}

export interface AcceptedWrite {
  readonly name: string;
  readonly digest: Digest;
  /** What the tag had until then. While it still shows one of these, the registry may be behind. */
  readonly before: readonly Shown[];
}

export const initialMemory: Memory = { written: [], hasPut: false, clean: 0, accepted: [], failures: {} };

/** What a tag was seen to have. */
export type Shown = Digest | 'absent';

/** What a tag must have for a write to happen, where the registry can tell. */
export type Condition = Shown | undefined;

/** One write of a tag. */
export interface Write {
  /** The tag of a slot, or `LIST`. */
  readonly name: string;
  readonly digest: Digest;
  /** What the tag had when the write was decided. */
  readonly shown: Shown;
  readonly condition: Condition;
}

/** The name of the tag itself among those that are written; no tag can be called so. */
export const LIST = ':';

/**
 * What the runner remembers of a write.
 * @param outcome - `unclear`: the write failed, and may have happened all the same
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
