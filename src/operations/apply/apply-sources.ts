import { formatLocation, type Location } from '../../oci/location.ts';
import { repositoryName, type Reference } from '../../oci/reference.ts';
import { resolveSource, type Resolved } from '../sources/resolve-source.ts';
import type { MissingPolicy } from '../publish/fill.ts';
import type { SourceWaitOptions } from '../source-wait.ts';
import type { EntrySpec, ListSpec } from '../spec/spec.ts';
import { targetsOf } from '../publish/target.ts';

/**
 * Reads a source only once in a run, even if several entries use it with the same options. Its result is released after
 * the last use, so that memory does not grow with the number of lists.
 */
export class SourceReader {
  readonly #options: SourceWaitOptions & Pick<MissingPolicy, 'namedHosts'>;
  /** The number of remaining reads of each source that occurs more than once, keyed by `keyOf`. */
  readonly #needed = new Map<string, number>();
  readonly #reading = new Map<string, Promise<Resolved>>();

  constructor(specs: Iterable<ListSpec>, { stores, waitForSourceMs, signal, onEvent }: SourceWaitOptions) {
    const hosts = new Set<string>();
    const counts = new Map<string, number>();
    for (const { content, list } of specs) {
      hosts.add(list.domain);
      if (content.kind === 'copy') continue;
      for (const key of content.entries.map(keyOf)) counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    this.#options = { stores, waitForSourceMs, signal, onEvent, namedHosts: [...hosts] };
    for (const [key, count] of counts) if (count > 1) this.#needed.set(key, count);
  }

  read(entry: EntrySpec): Promise<Resolved> {
    const key = keyOf(entry);
    const { location, missing, fillFrom } = entry;
    const needed = (this.#needed.get(key) ?? 1) - 1;
    const known = this.#reading.get(key);
    const argument = { location, isPlatformGiven: isPlatformGiven(entry) };
    const reading = known ?? resolveSource(argument, { ...this.#options, missing, fillFrom });
    this.#needed.set(key, needed);
    if (needed > 0) this.#reading.set(key, reading);
    else {
      this.#needed.delete(key);
      this.#reading.delete(key);
    }
    reading.catch(() => undefined);
    return reading;
  }
}

function keyOf(entry: EntrySpec): string {
  const { location, missing = 'refuse', fillFrom = [] } = entry;
  return `${missing} ${fillFrom.map(formatLocation).join(' ')} ${String(isPlatformGiven(entry))} ${formatLocation(location)}`;
}

/** Whether the spec sets the platform. The config of the image may then lack it. */
function isPlatformGiven({ platform, change }: EntrySpec): boolean {
  const { os, architecture } = change?.platform ?? {};
  return platform !== undefined || (os != null && architecture != null);
}

/**
 * Counts, for each repository, the remaining lists that have it as a source, subject or target. Once no list
 * remains, the caller can release the state of the repository.
 */
export class RepositoryUse {
  readonly #lists = new Map<string, number>();

  constructor(specs: Iterable<ListSpec>) {
    for (const spec of specs) {
      for (const name of repositoriesOf(spec).keys()) this.#lists.set(name, (this.#lists.get(name) ?? 0) + 1);
    }
  }

  /** Marks a list as done. Returns the repositories that only this list still needed. */
  leave(spec: ListSpec): readonly Reference[] {
    return [...repositoriesOf(spec)].flatMap(([name, reference]) => {
      const remaining = (this.#lists.get(name) ?? 1) - 1;
      if (remaining > 0) this.#lists.set(name, remaining);
      else this.#lists.delete(name);
      return remaining > 0 ? [] : [reference];
    });
  }
}

function repositoriesOf({ list, tags, content }: ListSpec): ReadonlyMap<string, Reference> {
  const sources: readonly (Location | undefined)[] =
    content.kind === 'copy' ? [content.from] : content.entries.map(({ location }) => location);
  const subject =
    content.kind === 'entries' && content.subject && 'kind' in content.subject ? content.subject : undefined;
  const targets = targetsOf(list, tags, []).map(({ location }) => location);
  return new Map(
    [...targets, ...sources, subject].flatMap((location) =>
      location?.kind === 'registry' ? [[repositoryName(location.reference), location.reference] as const] : [],
    ),
  );
}
