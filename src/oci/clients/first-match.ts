import { none, refused, unreadable, type Choice } from './choice.ts';
import type { Asked, OfferedList } from './list.ts';

/** A client that takes the first entry for its os and architecture, and looks at nothing else. */
export function chooseFirstMatch({ entries }: OfferedList, { platform: { os, architecture } }: Asked): Choice {
  const tries = entries.filter(
    ({ descriptor: { platform } }) => platform?.os === os && platform.architecture === architecture,
  );
  const considered = { wants: [`${os}/${architecture}`], tries };
  const [best] = tries;
  if (best === undefined) return none(considered);
  const because = best.entries === undefined ? unreadable(best) : 'it is an index, and no image';
  if (because !== undefined) return refused(considered, best, because);
  return { ...considered, picked: best, why: 'first', reason: `the first for ${os}/${architecture}` };
}
