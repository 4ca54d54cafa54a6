import { createHash } from 'node:crypto';
import { readdir, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Layout } from '../store/layout/layout.ts';
import { openLayout } from '../store/layout/open-layout.ts';
import { asMlistError, MlistError } from '../errors/errors.ts';
import { createFolders } from '../fs/folders.ts';
import { isRepositoryName } from '../oci/reference.ts';
import { ignoreNotFound } from '../errors/not-found.ts';
import type { Repositories } from './storage.ts';

/** File systems take names of 255 bytes. */
const MAX_FOLDER = 200;

/** Names that Windows gives to devices, also with an extension behind them. */
const device = /^(?:aux|con|nul|prn|com\d|lpt\d)(?:\.|$)/;

/**
 * The folder of a repository. A name of one component is its own folder, so that a layout put there by hand is served;
 * `/` becomes `%2F`, so that `a/b` lies beside `a` and never in it. No two names share a folder: names hold neither `%`
 * nor `~`. What would be too long is cut and told apart by its hash.
 */
export function folderOf(name: string): string {
  const escaped = name.replaceAll('/', '%2F').replace(device, (found) => `%${hex(found)}${found.slice(1)}`);
  if (escaped.length <= MAX_FOLDER) return escaped;
  return `${escaped.slice(0, 100)}~${createHash('sha256').update(name).digest('hex')}`;
}

function hex(text: string): string {
  return text.charCodeAt(0).toString(16).toUpperCase();
}

/** The name whose folder this is; undefined for any other file, and for names that were cut. */
export function repositoryNameOf(folder: string): string | undefined {
  const name = folder.replace(/%([0-9A-F]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
  return isRepositoryName(name) && folderOf(name) === folder ? name : undefined;
}

/** Repositories that are OCI layouts, side by side in one folder. */
export class FolderRepositories implements Repositories {
  readonly #dir: string;
  /** Each layout once, so that its changes wait for each other here and not at the lock. */
  readonly #layouts = new Map<string, Layout>();
  readonly #written = new Set<string>();

  private constructor(dir: string) {
    this.#dir = dir;
  }

  /** @throws MlistError `ERR_MLIST_USAGE` where the folder is itself a layout. */
  static async inFolder(dir: string, { create }: { readonly create: boolean }): Promise<FolderRepositories> {
    try {
      if (create) await createFolders(dir);
      const names = await readdir(dir);
      if (!names.includes('oci-layout')) return new FolderRepositories(await realpath(dir));
    } catch (error) {
      throw asMlistError(error);
    }
    throw new MlistError('ERR_MLIST_USAGE', `${dir} is an OCI layout, not a folder of layouts`, {
      path: dir,
      hint: `Serve the folder that it lies in: ${dirname(dir)}.`,
    });
  }

  find(name: string): Promise<Layout | undefined> {
    return ignoreNotFound(this.#layout(name, false));
  }

  /** The first opening for writing also clears away what a crashed writer left there. */
  async open(name: string): Promise<Layout> {
    const found = this.#written.has(name) ? await this.find(name) : undefined;
    if (found !== undefined) return found;
    this.#written.add(name);
    return await this.#layout(name, true);
  }

  /** A damaged layout is left out: it must not stand in the way of the others. */
  async *all(): AsyncGenerator<Layout> {
    const onDisk = (await readdir(this.#dir)).map(repositoryNameOf).filter((name) => name !== undefined);
    for (const name of new Set([...onDisk, ...this.#layouts.keys()])) {
      const layout = await this.find(name).catch(() => undefined);
      if (layout !== undefined) yield layout;
    }
  }

  /** Looks at the folder every time: a layout may be put there or taken away by hand. */
  async #layout(name: string, create: boolean): Promise<Layout> {
    const dir = join(this.#dir, folderOf(name));
    await this.#checkInside(dir);
    const opened = await openLayout(dir, { create, keepUntagged: true });
    const layout = this.#layouts.get(name) ?? opened;
    this.#layouts.set(name, layout);
    return layout;
  }

  /** A link may lead to a layout beside it, not out of the folder that is served. */
  async #checkInside(dir: string): Promise<void> {
    const real = await realpath(dir).catch(() => dir);
    if (dirname(real) === this.#dir) return;
    throw new MlistError('ERR_MLIST_DOCUMENT_INVALID', `${dir} is a link that leads out of the folder`, { path: dir });
  }
}
