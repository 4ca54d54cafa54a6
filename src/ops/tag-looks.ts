import type { ContentOptions, ContentSource } from '../oci/content.ts';
import type { Digest } from '../oci/digest.ts';
import { sameHome, type Location } from '../oci/location.ts';
import { orAbsent } from '../oci/or-absent.ts';
import type { Homes } from './homes.ts';
import { targetName, type TargetRepository } from './target.ts';

/** What a tag has. */
export type TagState = Digest | 'absent';

/** What tags had when somebody looked, by `targetName`; undefined where the look has failed. */
export type EarlyLooks = ReadonlyMap<string, Promise<TagState | undefined>>;

export async function digestOfTag(home: ContentSource, tag: string, options: ContentOptions): Promise<TagState> {
  return (await orAbsent(home.resolve(tag, options)))?.digest ?? 'absent';
}

/**
 * Looks at the tags of a push while what is to be pushed is still being read: one answer less to wait for. Only where the
 * push is going to look, since images come from elsewhere.
 */
export function lookEarly(
  targets: readonly TargetRepository[],
  sources: readonly Location[],
  { homes, signal }: ContentOptions & { readonly homes: Homes },
): EarlyLooks {
  const looks = new Map<string, Promise<TagState | undefined>>();
  for (const target of targets) {
    const { location, tags } = target;
    if (location.kind !== 'registry' || sources.every((source) => sameHome(source, location))) continue;
    const home = homes.registries.repository(location.reference);
    for (const tag of tags)
      looks.set(
        targetName(target, tag),
        digestOfTag(home, tag, { signal }).catch(() => undefined),
      );
  }
  return looks;
}
