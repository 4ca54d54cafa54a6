import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { asMlistError, MlistError } from '../../errors/errors.ts';
import { writeFileAtomic } from '../../fs/atomic.ts';
import { createFolders } from '../../fs/folders.ts';
import { isInside } from '../../fs/is-inside.ts';
import { createHash } from '../../oci/digest.ts';
import { formatEngineLocation } from '../../oci/engine-location.ts';
import { formatLocation, hasPath, isInEngine, isPipe, type LocalLocation, type Location } from '../../oci/location.ts';
import { foldersOf } from '../../oci/stored-location.ts';
import { contentSource, type Draft } from '../draft.ts';

export interface ProjectGuardOptions {
  /** Path of the workspace. Its parent folder is the project. */
  readonly workspace: string;
  /** The current folder. */
  readonly cwd: string;
  /**
   * Path of the user's own workspace. Its drafts may refer to any location, because only the user writes them. The
   * locations that the user has named for other workspaces are recorded in it.
   */
  readonly ownWorkspace: string;
  /** Whether to allow all locations (`--allow-outside`). Default false. */
  readonly allowOutside?: boolean | undefined;
  /** Called if a location that the user has named could not be recorded. Later commands will refuse to read it. */
  readonly onUnrecorded?: ((location: LocalLocation, error: MlistError) => void) | undefined;
}

/**
 * Decides whether a command may read content on this machine to which a draft or another file refers. Such files may
 * come from a cloned repository. Therefore, they may refer only to paths in their project, and to locations that the
 * user has named on a command line for this workspace (docs/decisions/0086-untrusted-projects.md).
 */
export class ProjectGuard {
  readonly #options: ProjectGuardOptions;
  readonly #project: string;
  /** The base folder for relative paths in locations. */
  readonly #base: string;
  /** Keys of the locations that this process may read, because the user has named them or a check has allowed them. */
  readonly #trusted = new Set<string>();

  constructor(options: ProjectGuardOptions) {
    this.#options = options;
    const { cwd, root } = foldersOf(options.workspace, options.cwd);
    this.#project = root;
    this.#base = cwd;
  }

  /** Path of the user's own workspace. */
  get ownWorkspace(): string {
    return this.#options.ownWorkspace;
  }

  /** Whether other people may have written the drafts of the workspace. True unless it is the user's own workspace. */
  get #isForeign(): boolean {
    const { workspace, ownWorkspace } = this.#options;
    return resolve(workspace) !== resolve(ownWorkspace);
  }

  /** Allows a location, for example because the user has named it on the command line. */
  trust(location: Location): void {
    if (location.kind !== 'registry') this.#trusted.add(this.#keyOf(location));
  }

  /**
   * Allows the locations in a file that the user has named, such as a spec. Each local one must be in the folder of the
   * file, the current folder or the project, unless the user has named it, too.
   * @throws MlistError `ERR_MLIST_BLOCKED` if a location is outside these folders, or is an engine image, and the user
   * has not named it
   */
  async admit(locations: readonly Location[], file: string): Promise<void> {
    const { cwd, allowOutside = false } = this.#options;
    if (allowOutside) return;
    const folder = dirname(resolve(cwd, file));
    const folders = this.#isForeign ? [folder, cwd, this.#project] : [folder, cwd];
    for (const location of locations) {
      if (location.kind === 'registry' || this.#trusted.has(this.#keyOf(location))) continue;
      if (!(await this.#isInside(location, folders))) throw outside(location, folder, file);
      this.trust(location);
    }
  }

  /**
   * Checks a location before it is opened.
   * @throws MlistError `ERR_MLIST_BLOCKED` if only a draft refers to it, and it is an engine image or is outside the
   * project
   */
  async check(location: LocalLocation): Promise<void> {
    if (!(await this.#isAllowed(location))) throw outside(location, this.#project, 'a draft');
  }

  /**
   * Allows the IDs of a draft's engine images, if the names of the images are allowed. Called after a draft was read
   * from its file.
   */
  async loaded({ entries }: Draft): Promise<void> {
    if (!this.#isForeign) return;
    for (const entry of entries) {
      const { source, image } = entry;
      if (image !== undefined && isInEngine(source) && (await this.#isAllowed(source)))
        this.trust(contentSource(entry));
    }
  }

  /**
   * Records which locations outside the project the user has named for a draft, so that later commands may read them.
   * Called after the draft was written.
   */
  async written(draft: Draft): Promise<void> {
    await this.loaded(draft);
    if (!this.#isForeign) return;
    for (const location of localLocations(draft)) {
      const key = this.#keyOf(location);
      if (!this.#trusted.has(key) || (await this.#isInside(location, [this.#project]))) continue;
      await this.#record(key).catch((thrown: unknown) => {
        this.#options.onUnrecorded?.(location, asMlistError(thrown));
      });
    }
  }

  async #isAllowed(location: LocalLocation): Promise<boolean> {
    const { allowOutside = false } = this.#options;
    if (allowOutside || !this.#isForeign || isPipe(location)) return true;
    const key = this.#keyOf(location);
    if (this.#trusted.has(key) || (await this.#isInside(location, [this.#project]))) return true;
    return stat(await this.#recordPath(key)).then(
      (record) => record.isFile(),
      () => false,
    );
  }

  async #isInside(location: LocalLocation, folders: readonly string[]): Promise<boolean> {
    if (!hasPath(location)) return false;
    if (isPipe(location)) return true;
    const path = resolve(this.#base, location.path);
    const roots = await Promise.all(folders.map(realPathOf));
    // Links are resolved only if the path, as written, is inside a folder: on Windows, resolving a path can already
    // contact another machine.
    if (![...folders, ...roots].some((root) => isInside(root, path))) return false;
    const real = await realPathOf(path);
    return roots.some((root) => isInside(root, real));
  }

  async #record(key: string): Promise<void> {
    const path = await this.#recordPath(key);
    await createFolders(dirname(path));
    await writeFileAtomic(path, `${JSON.stringify({ workspace: resolve(this.#options.workspace), location: key })}\n`);
  }

  /**
   * Returns the path of the file that records a location. Each workspace has a folder, with one file per location.
   */
  async #recordPath(key: string): Promise<string> {
    const { ownWorkspace, workspace } = this.#options;
    const folder = hashOf(await realPathOf(resolve(workspace)));
    return join(ownWorkspace, 'outside', folder, `${hashOf(key)}.json`);
  }

  /** Identifies a layout or archive by its absolute path, and an engine image by its name or ID. */
  #keyOf(location: LocalLocation): string {
    if (hasPath(location)) return `${location.kind}:${resolve(this.#base, location.path)}`;
    const { kind, context, image } = location;
    return formatEngineLocation({ kind, image, ...(context === undefined ? {} : { context }) });
  }
}

function localLocations({ base, entries }: Draft): readonly LocalLocation[] {
  const all = [
    ...(base === undefined ? [] : [base.ref]),
    ...entries.flatMap(({ source, fill = [] }) => [source, ...fill]),
  ];
  return all.flatMap((location) => (location.kind === 'registry' ? [] : [location]));
}

/** Resolves all symbolic links in a path whose last components may not exist. */
async function realPathOf(path: string): Promise<string> {
  return realpath(path).catch(async () => {
    const parent = dirname(path);
    return parent === path ? path : join(await realPathOf(parent), basename(path));
  });
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

function outside(location: LocalLocation, project: string, author: string): MlistError {
  const reference = formatLocation(location);
  const where = isInEngine(location) ? 'is an image in a container engine' : `is outside ${project}`;
  return new MlistError(
    'ERR_MLIST_BLOCKED',
    `refused to read ${reference}: it ${where}, and only ${author} refers to it`,
    {
      reference,
      hint: 'Files from other people must not choose which local content mlist reads.',
      remedy: { kind: 'allow-outside' },
    },
  );
}
