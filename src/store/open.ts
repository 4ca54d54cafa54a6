import { resolve } from 'node:path';
import { MlistError } from '../errors/errors.ts';
import { Limiter } from '../async/limiter.ts';
import { getOrCreate } from '../async/single-flight.ts';
import { BlobCache } from './cache.ts';
import { RegistrySession, type SessionOptions } from './registry/session.ts';
import { foldersOf, type Folders } from '../oci/stored-location.ts';
import type {
  ContentOptions,
  ContentReader,
  ContentWriter,
  ExistenceChecker,
  Mounter,
  TagOrDigest,
  ReferrerLister,
  LocalStore,
} from './store.ts';
import { formatLocation, nameIn, type FileLocation, type Location } from '../oci/location.ts';
import { canonicalReference, isTag, parseReference, repositoryName } from '../oci/reference.ts';
import type { FileStore } from './open-file-store.ts';

/** Where content may be read from; some stores know what refers to a manifest. */
export type ReadStore = ContentReader & Partial<ReferrerLister> & Partial<ExistenceChecker> & Partial<LocalStore>;

/** Where content may be written to. */
export type Store = ContentWriter & Partial<Mounter> & Partial<ReferrerLister>;

/** What a location means: a store, and a name in it. */
export interface ResolvedLocation {
  readonly store: ReadStore;
  readonly name: TagOrDigest;
  /** The tag that it goes by there; undefined where it has none. */
  readonly tag?: string;
  /** `domain/path` that it goes by; undefined where nobody can say. */
  readonly repository?: string;
}

export interface StoresOptions extends SessionOptions {
  /** The workspace. */
  readonly workspaceFolder: string;
  /** Where relative paths of locations begin, as for the `Workspace`. Default: at the folder that the workspace lies in. */
  readonly cwd?: string | undefined;
}

export interface TargetOptions extends ContentOptions {
  /** Nothing is to be made: what is not there yet is stood in for. Default false. */
  readonly dryRun?: boolean | undefined;
  /** The full reference that a tag of an archive stands for, for engines that load it. Default: nobody can say. */
  readonly imageName?: ((tag: string) => string | undefined) | undefined;
}

/** Layouts and archives that are opened at once: an archive is indexed, and inflated where it is compressed. */
const OPENINGS = 8;

/** Opens the stores of content that a command works with; what they share lives as long as this. */
export class Stores {
  readonly registries: RegistrySession;
  /** Manifests and configs that were read before. */
  readonly cache: BlobCache;
  /** Where relative paths begin: those that are opened here, and those in a draft's file. */
  readonly folders: Folders;
  /** Reports waits for anything other than a registry's answer. */
  readonly waiting: SessionOptions['waiting'];
  readonly #files = new Map<string, Promise<FileStore>>();
  readonly #openings = new Limiter(OPENINGS);

  constructor(options: StoresOptions) {
    this.registries = new RegistrySession(options);
    this.waiting = options.waiting;
    this.cache = new BlobCache(options.workspaceFolder);
    this.folders = foldersOf(options.workspaceFolder, options.cwd);
  }

  /** @throws MlistError `ERR_MLIST_NOT_FOUND` where there is no such folder or file */
  async source(location: Location, options: ContentOptions = {}): Promise<ReadStore> {
    return location.kind === 'registry'
      ? this.registries.repository(location.reference)
      : this.#file(location, options.signal);
  }

  /**
   * The store of a location and what it means there: without a reference the only image or list of a layout or archive.
   * @throws MlistError `ERR_MLIST_NOT_FOUND`, `ERR_MLIST_AMBIGUOUS`
   */
  async resolveLocation(location: Location, options: ContentOptions = {}): Promise<ResolvedLocation> {
    if (location.kind === 'registry') {
      const { tag } = location.reference;
      const repository = repositoryName(location.reference);
      const store = await this.source(location);
      return { store, name: nameIn(location), repository, ...(tag === undefined ? {} : { tag }) };
    }
    const store = await this.#file(location, options.signal).catch((thrown: unknown) => {
      throw withoutHome(location, thrown);
    });
    if (location.digest !== undefined) return { store, name: location.digest, ...namesIn(location.ref) };
    const { descriptor, ref } = await store.resolveRef(location.ref);
    return { store, name: descriptor.digest, ...namesIn(ref) };
  }

  /** Runs work with a store to write to. What appears as a whole, an archive, is in its place when the work is done. */
  async withTarget<T>(location: Location, work: (store: Store) => Promise<T>, options: TargetOptions = {}): Promise<T> {
    if (location.kind === 'registry') return work(this.registries.repository(location.reference));
    const path = this.#pathOf(location);
    const name = location.path;
    if (location.kind === 'docker-archive') throw readOnly(name, path);
    const { dryRun = false, signal, imageName } = options;
    const { openLayoutTarget, writeArchive } = await import('./open-file-store.ts');
    if (location.kind === 'oci') return work(await openLayoutTarget(path, { dryRun, name, signal }));
    return writeArchive(path, { name, signal, imageName }, async (target) => {
      const result = await work(target);
      await this.#forget(location);
      return result;
    });
  }

  /** Closes connections and files. */
  async close(): Promise<void> {
    await this.registries.close();
    const opened = [...this.#files.values()];
    this.#files.clear();
    await Promise.all(opened.map((store) => store.then((one) => one.close?.()).catch(() => undefined)));
  }

  #file(location: FileLocation, signal: AbortSignal | undefined): Promise<FileStore> {
    const key = this.#keyOf(location);
    return getOrCreate(this.#files, key, () => {
      const opened = this.#open(location, signal);
      opened.catch(() => this.#files.delete(key));
      return opened;
    });
  }

  async #open(location: FileLocation, signal: AbortSignal | undefined): Promise<FileStore> {
    const { openFileStore } = await import('./open-file-store.ts');
    const open = () => openFileStore(location.kind, this.#pathOf(location), { name: location.path, signal });
    return this.#openings.run(open);
  }

  async #forget(location: FileLocation): Promise<void> {
    const key = this.#keyOf(location);
    const known = await this.#files.get(key)?.catch(() => undefined);
    this.#files.delete(key);
    await known?.close?.();
  }

  #keyOf(location: FileLocation): string {
    return `${location.kind}:${this.#pathOf(location)}`;
  }

  #pathOf({ path }: FileLocation): string {
    return resolve(this.folders.cwd, path);
  }
}

/** What a name inside a layout or an archive says: it may be a tag, or a full reference. */
function namesIn(ref: string | undefined): Pick<ResolvedLocation, 'tag' | 'repository'> {
  if (ref === undefined) return {};
  if (isTag(ref)) return { tag: ref };
  const canonical = canonicalReference(ref);
  if (canonical === undefined) return {};
  const reference = parseReference(canonical);
  const { tag } = reference;
  return { repository: repositoryName(reference), ...(tag === undefined ? {} : { tag }) };
}

/** A folder or a file that is not there, told by what was to be read of it. */
function withoutHome(location: FileLocation, thrown: unknown): unknown {
  if (!(thrown instanceof MlistError) || thrown.code !== 'ERR_MLIST_NOT_FOUND') return thrown;
  const reference = formatLocation(location);
  return new MlistError(thrown.code, `${reference} does not exist: ${thrown.message}`, { ...thrown.facts, reference });
}

function readOnly(name: string, path: string): MlistError {
  return new MlistError('ERR_MLIST_USAGE', `docker-archive:${name} can be read, but not written`, {
    path,
    hint: 'Write oci-archive:FILE. If it holds one image, "docker load" takes it.',
  });
}
