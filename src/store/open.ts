import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { MlistError } from '../errors/errors.ts';
import { Limiter } from '../async/limiter.ts';
import { getOrCreate } from '../async/single-flight.ts';
import { Spool } from '../fs/spool.ts';
import { BlobCache } from './cache.ts';
import { CompletedStore, OriginProbes, type Origin } from './completed-store.ts';
import type { LayerCompression } from './docker-image/layer-compression.ts';
import type { LayerCompressor } from './docker-image/layer-compressor.ts';
import type { EngineStore } from './engine/engine-store.ts';
import type { EngineStores } from './engine/engine-stores.ts';
import type { EngineEnvironment } from './engine/find-engine.ts';
import type { LoadOptions } from './engine/load-image.ts';
import { defaults } from './registry/registry-options.ts';
import { RegistrySession, type SessionOptions } from './registry/session.ts';
import { foldersOf, type Folders } from '../oci/stored-location.ts';
import type { ContentOptions, ReadStore, Store, TagOrDigest } from './store.ts';
import type { EngineLocation } from '../oci/engine-location.ts';
import {
  formatLocation,
  isInEngine,
  isPipe,
  nameIn,
  type FileLocation,
  type LocalLocation,
  type Location,
} from '../oci/location.ts';
import { canonicalReference, isTag, parseReference, repositoryName } from '../oci/reference.ts';
import type { FileStore, WritePipe } from './open-file-store.ts';

export type { LoadedImage } from './engine/load-image.ts';

/** A location, resolved to a store and a manifest in it. */
export interface ResolvedLocation {
  readonly store: ReadStore;
  readonly name: TagOrDigest;
  /** The tag of the manifest, from the location or the store. Absent if neither has one. */
  readonly tag?: string;
  /** The repository in the name of the content, as `domain/path`; undefined if the name contains no repository. */
  readonly repository?: string;
}

export interface StoresOptions extends SessionOptions {
  /** Path of the workspace, which contains the cache of manifests. Default: the cache is in memory. */
  readonly workspaceFolder?: string | undefined;
  /**
   * Path of the workspace that records compressed layers. Its records are trusted, so it must be the user's own.
   * Default: `workspaceFolder`.
   */
  readonly recordsFolder?: string | undefined;
  /**
   * Base folder for relative paths in locations, as in the options of `Workspace`. Default: the parent folder of the
   * workspace or, without a workspace, the current folder of the process.
   */
  readonly cwd?: string | undefined;
  /** The user whose container engines are used. Default: the user of this process. */
  readonly user?: Omit<EngineEnvironment, 'env'> | undefined;
  /** Maximum size of the temporary files in bytes. Default: the free space less 10 %. */
  readonly spoolLimit?: number | undefined;
  /** How uncompressed layers are compressed. Default: `none` for docker archives, `gzip` for engine images. */
  readonly compression?: LayerCompression | undefined;
  /**
   * Reads stdin, for the sources `oci-archive:-` and `docker-archive:-`. Only the command that adds such a source can
   * read it. Default: these sources are refused.
   */
  readonly stdin?: (() => AsyncIterable<Uint8Array>) | undefined;
  /** Writes to stdout, for the target `oci-archive:-`. Default: this target is refused. */
  readonly stdout?: WritePipe | undefined;
  /** How an archive on stdout is compressed. Default: it is not compressed. */
  readonly archiveCompression?: 'gzip' | 'zstd' | undefined;
  /** Checks a layout, archive or engine image before it is opened for reading. Default: all are allowed. */
  readonly checkLocal?: ((location: LocalLocation) => Promise<void>) | undefined;
  /** Receives messages about how content is read. */
  readonly onNote?: ((message: string) => void) | undefined;
}

export interface ExpectedLocations {
  readonly write?: readonly Location[] | undefined;
  /** Locations that this or a later command writes to, such as the target of a draft. They are read without mirrors. */
  readonly later?: readonly Location[] | undefined;
  readonly read?: readonly Location[] | undefined;
}

export interface TargetOptions extends ContentOptions {
  /** Whether this is a dry run. If so, an empty store in memory replaces a missing layout. Default false. */
  readonly dryRun?: boolean | undefined;
  /**
   * Returns the full image name for a tag. Archives contain it for engines that load them. Default: archives contain
   * tags only.
   */
  readonly imageName?: ((tag: string) => string | undefined) | undefined;
  /** Callbacks for loading an image into an engine. Default: engines are refused as targets. */
  readonly load?: Pick<LoadOptions, 'onSend' | 'onLoaded'> | undefined;
}

export interface SourceOptions extends ContentOptions {
  /** Locations that provide the content that the source lacks, in the order in which they are asked. */
  readonly fill?: readonly Location[] | undefined;
  /** Called before the first request to a location of `fill`. */
  readonly onAsk?: ((origin: Origin) => void) | undefined;
}

/** Maximum number of layouts and archives that are opened concurrently. Archives may have to be decompressed. */
const MAX_CONCURRENT_OPENS = 8;

/** Opens the content stores of one command. They share connections, the cache and opened files until `close`. */
export class Stores {
  readonly registries: RegistrySession;
  /** Cache of manifests and configs. */
  readonly cache: BlobCache;
  /** The base folders for relative paths in locations and in draft files. */
  readonly folders: Folders;
  /** Reports pending work other than registry requests. */
  readonly waiting: SessionOptions['waiting'];
  /** The temporary files of the command. */
  readonly spool: Spool;
  /** Records which origins have the content that incomplete sources lack. */
  readonly probes = new OriginProbes();
  readonly #options: StoresOptions;
  #compressor: Promise<LayerCompressor> | undefined;
  #writesToRegistry = false;
  #isUncompressedReported = false;
  readonly #files = new Map<string, Promise<FileStore>>();
  readonly #openings = new Limiter(MAX_CONCURRENT_OPENS);
  #engines: Promise<EngineStores> | undefined;

  constructor(options: StoresOptions) {
    this.registries = new RegistrySession(options);
    this.waiting = options.waiting;
    this.spool = new Spool({ maxBytes: options.spoolLimit });
    this.#options = options;
    this.cache = new BlobCache(options.workspaceFolder);
    this.folders =
      options.workspaceFolder === undefined
        ? currentFolder(options.cwd)
        : foldersOf(options.workspaceFolder, options.cwd);
  }

  /** How uncompressed layers are compressed; undefined if each kind of store uses its own default. */
  get compression(): LayerCompression | undefined {
    return this.#options.compression;
  }

  /** Announces locations: `write` and `read` can share tokens, and `write` and `later` are read without mirrors. */
  expect({ write = [], later = [], read = [] }: ExpectedLocations): void {
    for (const location of [...write, ...later])
      if (location.kind === 'registry') this.registries.bypassMirrors(location.reference);
    const accesses = [
      ...write.map((location) => ({ location, push: true })),
      ...read.map((location) => ({ location, push: false })),
    ];
    this.registries.expect(
      accesses.flatMap(({ location, push }) =>
        location.kind === 'registry' ? [{ reference: location.reference, push }] : [],
      ),
    );
  }

  /**
   * Opens a store for reading. A repository is read from its mirrors unless this or a later command writes to it.
   * @throws MlistError `ERR_MLIST_NOT_FOUND` if the layout or archive does not exist; `ERR_MLIST_CONFIGURATION` if the
   * registry configuration is invalid; `ERR_MLIST_BLOCKED` if the configuration blocks the repository
   */
  async source(location: Location, { fill = [], onAsk, signal }: SourceOptions = {}): Promise<ReadStore> {
    const store = await this.#sourceAt(location, signal);
    if (fill.length === 0) return store;
    const origins = () => this.origins(fill, { signal });
    return new CompletedStore(store, { origins, probes: this.probes, onAsk });
  }

  /** Opens the stores that provide content that another store lacks. */
  origins(locations: readonly Location[], { signal }: ContentOptions = {}): Promise<readonly Origin[]> {
    const open = async (location: Location) => ({ location, store: await this.#sourceAt(location, signal) });
    return Promise.all(locations.map(open));
  }

  /** Opens an engine image. The engine is contacted only when content is read. */
  async engineImage(location: EngineLocation): Promise<EngineStore> {
    await this.#options.checkLocal?.(location);
    return (await this.#allEngines()).store(location);
  }

  /**
   * Resolves a location. Without a name or digest, a layout or archive resolves to its only image or list. Does not
   * check whether a registry reference or a digest exists.
   * @throws MlistError `ERR_MLIST_NOT_FOUND` if the layout, archive, engine image or name does not exist;
   * `ERR_MLIST_AMBIGUOUS` if the location matches several images or lists
   */
  async resolveLocation(location: Location, options: ContentOptions = {}): Promise<ResolvedLocation> {
    if (location.kind === 'registry') {
      const { tag } = location.reference;
      const repository = repositoryName(location.reference);
      const store = await this.source(location);
      return { store, name: nameIn(location), repository, ...(tag === undefined ? {} : { tag }) };
    }
    if (isInEngine(location)) return this.#resolveInEngine(location, options);
    const store = await this.#file(location, options.signal).catch((thrown: unknown) => {
      throw asMissingLocation(location, thrown);
    });
    if (location.digest !== undefined) return { store, name: location.digest, ...namesIn(location.ref) };
    const { descriptor, ref } = await store.resolveRef(location.ref);
    return { store, name: descriptor.digest, ...namesIn(ref) };
  }

  /** Returns the host of the mirror that resolved the tag of a location; undefined if no mirror has resolved it. */
  mirrorOf(location: Location): string | undefined {
    return location.kind === 'registry' ? this.registries.mirrorOf(location.reference) : undefined;
  }

  /** Runs `work` with a store to write to. An archive is written to its path only when `work` has succeeded. */
  async withTarget<T>(location: Location, work: (store: Store) => Promise<T>, options: TargetOptions = {}): Promise<T> {
    if (location.kind === 'registry') {
      this.registries.requireWritable(location.reference);
      this.registries.bypassMirrors(location.reference);
      this.#writesToRegistry = true;
      return work(this.registries.repository(location.reference));
    }
    if (isInEngine(location)) return this.#loadInto(location, options, work);
    const path = this.#pathOf(location);
    const name = location.path;
    if (location.kind === 'docker-archive') throw readOnly(name, path);
    const { dryRun = false, signal, imageName } = options;
    const { openLayoutTarget, writeArchive, writeArchiveToPipe } = await import('./open-file-store.ts');
    if (location.kind === 'oci') return work(await openLayoutTarget(path, { dryRun, name, signal }));
    if (isPipe(location)) {
      const { stdout, archiveCompression, onNote } = this.#options;
      if (stdout === undefined) throw unsupportedTarget(location, 'this operation does not write to stdout');
      const writing = { signal, imageName, compression: archiveCompression, onNote };
      return writeArchiveToPipe(stdout, writing, work);
    }
    return writeArchive(path, { name, signal, imageName }, async (target) => {
      const result = await work(target);
      await this.#forget(location);
      return result;
    });
  }

  /** Returns the compressor for the layers of archives and engine images. It compresses each layer once per command. */
  compressor(): Promise<LayerCompressor> {
    const { recordsFolder = this.cache.workspaceFolder, onNote } = this.#options;
    this.#compressor ??= import('./open-file-store.ts').then(({ createCompressor }) =>
      createCompressor(this.spool, recordsFolder, onNote),
    );
    return this.#compressor;
  }

  /** Closes connections and files, and removes temporary files. */
  async close(): Promise<void> {
    await this.registries.close();
    await (await this.#engines)?.close();
    const opened = [...this.#files.values()];
    this.#files.clear();
    await Promise.all(opened.map((opening) => opening.then((store) => store.close?.()).catch(() => undefined)));
    await this.spool.close();
  }

  async #resolveInEngine(location: EngineLocation, options: ContentOptions): Promise<ResolvedLocation> {
    const store = await this.engineImage(location);
    const name = location.digest ?? (await store.rootDigest(options));
    const { image } = location;
    if (typeof image === 'string') return { store, name };
    return { store, name, repository: repositoryName(image), ...(image.tag === undefined ? {} : { tag: image.tag }) };
  }

  async #loadInto<T>(
    location: EngineLocation,
    { load, dryRun, signal }: TargetOptions,
    work: (store: Store) => Promise<T>,
  ): Promise<T> {
    if (load === undefined) throw unsupportedTarget(location, 'this operation does not load images into engines');
    const { waiting } = this.#options;
    const engines = await this.#allEngines();
    return engines.load(location, { ...load, spool: this.spool, dryRun, signal, waiting }, work);
  }

  #allEngines(): Promise<EngineStores> {
    const { env, timeoutMs = defaults.timeoutMs, signal, waiting, onRequest } = this.#options;
    const user = this.#options.user ?? { home: homedir(), platform: process.platform, uid: process.getuid?.() };
    const open = async (): Promise<EngineStores> => {
      const { EngineStores: Engines } = await import('./engine/engine-stores.ts');
      return new Engines({
        environment: { ...user, env },
        ...{ env, timeoutMs, signal, waiting, onRequest, spool: this.spool },
        compression: this.#options.compression ?? 'gzip',
        compressor: () => this.compressor(),
      });
    };
    this.#engines ??= open();
    return this.#engines;
  }

  async #sourceAt(location: Location, signal: AbortSignal | undefined): Promise<ReadStore> {
    if (location.kind === 'registry') return this.registries.source(location.reference);
    return isInEngine(location) ? this.engineImage(location) : this.#file(location, signal);
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
    await this.#options.checkLocal?.(location);
    const { openFileStore } = await import('./open-file-store.ts');
    const { stdin, compression } = this.#options;
    if (isPipe(location) && stdin === undefined) throw notAgain(location);
    const path = this.#pathOf(location);
    const options = {
      name: location.path,
      signal,
      spool: this.spool,
      ...(isPipe(location) ? { input: stdin } : {}),
      compression,
      compressor: await this.compressor(),
      onUncompressed: () => this.#reportUncompressed(location),
    };
    return this.#openings.run(() => openFileStore(location.kind, path, options));
  }

  /**
   * Reports once per command that a source has uncompressed layers, if the command writes to a registry. Other targets
   * may have uncompressed layers.
   */
  #reportUncompressed(location: FileLocation): void {
    if (!this.#writesToRegistry || this.#isUncompressedReported) return;
    this.#isUncompressedReported = true;
    const message = `${formatLocation(location)} has uncompressed layers, which are pushed as they are; to compress them, use "--compression gzip"`;
    this.#options.onNote?.(message);
  }

  async #forget(location: FileLocation): Promise<void> {
    const key = this.#keyOf(location);
    const store = await this.#files.get(key)?.catch(() => undefined);
    this.#files.delete(key);
    await store?.close?.();
  }

  #keyOf(location: FileLocation): string {
    return `${location.kind}:${this.#pathOf(location)}`;
  }

  #pathOf({ path }: FileLocation): string {
    return resolve(this.folders.cwd, path);
  }
}

/**
 * Returns the tag and the repository in the name of an image in a layout or archive. The name may be a tag, a full
 * reference, or any other string.
 */
function namesIn(ref: string | undefined): Pick<ResolvedLocation, 'tag' | 'repository'> {
  if (ref === undefined) return {};
  if (isTag(ref)) return { tag: ref };
  const canonical = canonicalReference(ref);
  if (canonical === undefined) return {};
  const reference = parseReference(canonical);
  const { tag } = reference;
  return { repository: repositoryName(reference), ...(tag === undefined ? {} : { tag }) };
}

/** Adds the location, as the user specified it, to the error for a missing folder or file. */
function asMissingLocation(location: FileLocation, thrown: unknown): unknown {
  if (!(thrown instanceof MlistError) || thrown.code !== 'ERR_MLIST_NOT_FOUND') return thrown;
  const reference = formatLocation(location);
  return new MlistError(thrown.code, `cannot read ${reference}: ${thrown.message}`, { ...thrown.facts, reference });
}

function notAgain(location: FileLocation): MlistError {
  const reference = formatLocation(location);
  return new MlistError(
    'ERR_MLIST_USAGE',
    `cannot read ${reference}: stdin can only be read by the command that adds the archive`,
    {
      reference,
      hint: 'Add and push the archive in one command, such as "mlist create LIST docker-archive:- --push".',
    },
  );
}

function unsupportedTarget(location: Location, reason: string): MlistError {
  return new MlistError('ERR_MLIST_USAGE', `cannot write ${formatLocation(location)}: ${reason}`);
}

function readOnly(name: string, path: string): MlistError {
  return new MlistError('ERR_MLIST_USAGE', `cannot write docker-archive:${name}: docker archives can only be read`, {
    path,
    hint: 'Write oci-archive:FILE instead. "docker load" accepts it if it contains one image.',
  });
}

function currentFolder(cwd = process.cwd()): Folders {
  return { cwd, root: cwd };
}
