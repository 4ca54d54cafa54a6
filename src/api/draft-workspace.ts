import type { Workspace } from '../draft/workspace/workspace.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { formatReference, parseReference, withDefaultTag, type Reference } from '../oci/reference.ts';
import { create } from '../operations/create/create.ts';
import { MlistError, SeveralErrors } from '../errors/errors.ts';
import { listDrafts, removeAllDrafts, removeDraft, type DraftSummary } from '../operations/drafts/drafts.ts';
import { add } from '../operations/edit/add.ts';
import { annotate, type AnnotateOptions } from '../operations/edit/annotate.ts';
import { remove } from '../operations/edit/remove.ts';
import { show, type ListView } from '../operations/inspect/show.ts';
import { push } from '../operations/push/push.ts';
import type { Stores } from '../store/open.ts';
import type { ApiCalls } from './api-call.ts';
import { callChecks, draftChecks } from './client-checks.ts';
import type {
  AnnotateDraftOptions,
  CreateDraftOptions,
  ImageSelection,
  PushDraftOptions,
  RemoveFromDraftOptions,
} from './client-options.ts';
import {
  parseNames,
  parsePlatforms,
  parseSources,
  toPushedTag,
  type CallOptions,
  type PushedTag,
  type Source,
} from './inputs.ts';
import { isArray, isArrayOf, isObject, isText } from './option-checks.ts';

/**
 * The drafts of a workspace. A list is named by its reference; the default tag is `latest`. Edits are atomic. If two
 * processes edit the same draft at the same time, one waits for the other.
 */
export class DraftWorkspace {
  readonly #workspace: Workspace;
  readonly #stores: Stores;
  readonly #calls: ApiCalls;

  /** @see Client.drafts */
  constructor(workspace: Workspace, stores: Stores, calls: ApiCalls) {
    this.#workspace = workspace;
    this.#stores = stores;
    this.#calls = calls;
  }

  /** Lists the drafts. For a draft that cannot be read, the item has the error message in `damaged`. */
  async list(): Promise<readonly DraftSummary[]> {
    return this.#calls.run({}, callChecks, async () => {
      return listDrafts(this.#workspace);
    });
  }

  /**
   * Creates a draft from images and indexes.
   * @throws MlistError `ERR_MLIST_DRAFT_EXISTS` if there is a draft of this name with other content, and neither
   *   `amend` nor `replace` is set. If several sources fail, the error contains all of their errors
   */
  async create(list: string, sources: readonly Source[], options: CreateDraftOptions = {}): Promise<ListView> {
    return this.#calls.run(options, draftChecks.create, async (call) => {
      const { format, amend, replace, platforms } = options;
      const creating = { ...this.#editing(call), format, amend, replace, platforms: parsePlatforms(platforms) };
      await create(listNamed(list), parseSources(sources), creating);
      return this.get(list);
    });
  }

  /**
   * Reads a draft.
   * @throws MlistError `ERR_MLIST_DRAFT_NOT_FOUND` if there is no such draft
   */
  async get(list: string): Promise<ListView> {
    return this.#calls.run({}, callChecks, async () => {
      const reference = listNamed(list);
      const name = formatReference(reference);
      await this.#workspace.load(reference);
      const stores = this.#stores;
      return show(name, { workspace: this.#workspace, cache: stores.cache, stores: () => stores });
    });
  }

  /**
   * Adds images, and replaces existing images for the same platform.
   * @throws MlistError `ERR_MLIST_DRAFT_NOT_FOUND` if there is no such draft
   */
  async add(list: string, sources: readonly Source[], options: CallOptions = {}): Promise<ListView> {
    return this.#calls.run(options, callChecks, async (call) => {
      await add(listNamed(list), parseSources(sources), this.#editing(call));
      return this.get(list);
    });
  }

  /**
   * Overrides the platform, annotations or artifact type of entries.
   * @param images - the source, digest or digest prefix of one entry, or a selection of images
   * @throws MlistError `ERR_MLIST_ENTRY_NOT_FOUND` if the list has no such entry, `ERR_MLIST_AMBIGUOUS` if several
   *   entries match, `ERR_MLIST_LIST_INVALID` if several images would get the same platform
   */
  async annotate(list: string, images: string | ImageSelection, options: AnnotateDraftOptions): Promise<ListView> {
    return this.#calls.run(options, draftChecks.annotate, async (call) => {
      const selection = parseSelection(images);
      const { platform, annotations, artifactType } = options;
      const change = { platform, annotations, artifactType };
      await annotate(listNamed(list), {
        ...this.#editing(call),
        ...selection,
        change,
        stores: () => this.#stores,
      });
      return this.get(list);
    });
  }

  /**
   * Removes entries and their attestations.
   * @param images - sources or digests of the entries
   * @throws MlistError `ERR_MLIST_ENTRY_NOT_FOUND` if the list has no such entry
   */
  async remove(list: string, images: readonly string[], options: RemoveFromDraftOptions = {}): Promise<ListView> {
    return this.#calls.run(options, draftChecks.remove, async (call) => {
      const platforms = parsePlatforms(options.platforms);
      isArray(images, 'images');
      for (const image of images) isText(image, 'an image');
      await remove(listNamed(list), images, { ...this.#editing(call), platforms });
      return this.get(list);
    });
  }

  /**
   * Pushes the list of a draft: first the content that the targets lack, then the list, and its tags last.
   * @throws MlistError `ERR_MLIST_LIST_INVALID` if the list is invalid or empty, `ERR_MLIST_EXPECTATION` if it lacks a
   *   platform in `expect`, `ERR_MLIST_CONFLICT` if a tag must not be moved
   */
  async push(
    list: string,
    options: PushDraftOptions = {},
  ): Promise<{ readonly descriptor: Descriptor; readonly targets: readonly PushedTag[] }> {
    return this.#calls.run(options, draftChecks.push, async (call) => {
      const { tags, to, expect, allOrNothing, purge, dryRun } = options;
      const pushing = {
        ...this.#editing(call),
        tags: parseNames(tags),
        to,
        allOrNothing,
        purge,
        dryRun,
        expect: parsePlatforms(expect),
      };
      const { descriptor, targets } = await push(listNamed(list), pushing);
      return { descriptor, targets: targets.map(toPushedTag) };
    });
  }

  /**
   * Deletes a draft.
   * @throws MlistError `ERR_MLIST_DRAFT_NOT_FOUND` if there is no such draft
   */
  async delete(list: string, options: CallOptions = {}): Promise<void> {
    return this.#calls.run(options, callChecks, async (call) => {
      await removeDraft(this.#workspace, listNamed(list), call.signal);
    });
  }

  /**
   * Deletes all drafts, including damaged ones.
   * @returns the names of the deleted drafts
   * @throws MlistError with the errors of the drafts that could not be deleted; all others are deleted
   */
  async deleteAll(options: CallOptions = {}): Promise<readonly string[]> {
    return this.#calls.run(options, callChecks, async (call) => {
      const { removed, errors } = await removeAllDrafts(this.#workspace, { signal: call.signal });
      SeveralErrors.throwAny(errors);
      return removed;
    });
  }

  #editing({ signal, onEvent }: CallOptions) {
    return { workspace: this.#workspace, stores: this.#stores, signal, onEvent };
  }
}

function parseSelection(images: string | ImageSelection): Pick<AnnotateOptions, 'manifest' | 'platforms' | 'all'> {
  if (typeof images === 'string') return { manifest: images };
  isObject(images, 'the image', 'a string or an object');
  const { all, platforms = [] }: { readonly all?: boolean; readonly platforms?: readonly string[] } = images;
  isArrayOf(isText, 'a platform')(platforms, 'platforms');
  if ((all === true) === platforms.length > 0)
    throw new MlistError('ERR_MLIST_USAGE', 'select the images either with "all: true" or with at least one platform');
  return { all, platforms: parsePlatforms(platforms) };
}

function listNamed(text: string): Reference {
  isText(text, 'the list');
  return withDefaultTag(parseReference(text));
}
