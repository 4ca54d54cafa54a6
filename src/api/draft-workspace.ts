import type { Workspace } from '../draft/workspace/workspace.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { formatReference, parseReference, withDefaultTag, type Reference } from '../oci/reference.ts';
import { create } from '../operations/create/create.ts';
import { listDrafts, removeDraft, type DraftSummary } from '../operations/drafts/drafts.ts';
import { add } from '../operations/edit/add.ts';
import { annotate } from '../operations/edit/annotate.ts';
import { remove } from '../operations/edit/remove.ts';
import { show, type ListView } from '../operations/inspect/show.ts';
import { push } from '../operations/push/push.ts';
import type { Stores } from '../store/open.ts';
import type { ApiCalls } from './api-call.ts';
import { callChecks, draftChecks } from './client-checks.ts';
import type {
  AnnotateDraftOptions,
  CreateDraftOptions,
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
import { isArray, isText } from './option-checks.ts';

/**
 * The drafts of a workspace. A list is named by its reference; the default tag is `latest`. Edits are atomic: another
 * process that edits the same draft at the same time waits.
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

  /** Lists the drafts. */
  async list(): Promise<readonly DraftSummary[]> {
    return this.#calls.run({}, callChecks, async () => {
      return listDrafts(this.#workspace);
    });
  }

  /**
   * Creates a draft from images and indexes.
   * @throws MlistError `ERR_MLIST_DRAFT_EXISTS`; the errors of all sources together
   */
  async create(list: string, sources: readonly Source[], options: CreateDraftOptions = {}): Promise<ListView> {
    return this.#calls.run(options, draftChecks.create, async (call) => {
      const { format, amend, replace, platforms } = options;
      const creating = { ...this.#editing(call), format, amend, replace, platforms: parsePlatforms(platforms) };
      await create(listNamed(list), parseSources(sources), creating);
      return this.get(list);
    });
  }

  /** Reads a draft. @throws MlistError `ERR_MLIST_DRAFT_NOT_FOUND` */
  async get(list: string): Promise<ListView> {
    return this.#calls.run({}, callChecks, async () => {
      const reference = listNamed(list);
      const name = formatReference(reference);
      await this.#workspace.load(reference);
      const stores = this.#stores;
      return show(name, { workspace: this.#workspace, cache: stores.cache, stores: () => stores });
    });
  }

  /** Adds images, replacing those for the same platform. @throws MlistError `ERR_MLIST_DRAFT_NOT_FOUND` */
  async add(list: string, sources: readonly Source[], options: CallOptions = {}): Promise<ListView> {
    return this.#calls.run(options, callChecks, async (call) => {
      await add(listNamed(list), parseSources(sources), this.#editing(call));
      return this.get(list);
    });
  }

  /**
   * Overrides the platform, annotations or artifact type of an entry.
   * @param image - source, digest or beginning of a digest of the entry
   * @throws MlistError `ERR_MLIST_ENTRY_NOT_FOUND`, `ERR_MLIST_AMBIGUOUS`
   */
  async annotate(list: string, image: string, options: AnnotateDraftOptions): Promise<ListView> {
    return this.#calls.run(options, draftChecks.annotate, async (call) => {
      isText(image, 'the image');
      const { platform, annotations, artifactType } = options;
      const change = { platform, annotations, artifactType };
      await annotate(listNamed(list), {
        ...this.#editing(call),
        manifest: image,
        change,
        stores: () => this.#stores,
      });
      return this.get(list);
    });
  }

  /**
   * Removes entries with their attestations.
   * @param images - sources or digests of the entries
   * @throws MlistError `ERR_MLIST_ENTRY_NOT_FOUND`
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
   * Pushes the list of a draft: children first, tags last.
   * @throws MlistError `ERR_MLIST_LIST_INVALID`, `ERR_MLIST_EXPECTATION`, `ERR_MLIST_CONFLICT`
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

  /** Deletes a draft. @throws MlistError `ERR_MLIST_DRAFT_NOT_FOUND` */
  async delete(list: string, options: CallOptions = {}): Promise<void> {
    return this.#calls.run(options, callChecks, async (call) => {
      await removeDraft(this.#workspace, listNamed(list), call.signal);
    });
  }

  #editing({ signal, onEvent }: CallOptions) {
    return { workspace: this.#workspace, stores: this.#stores, signal, onEvent };
  }
}

function listNamed(text: string): Reference {
  isText(text, 'the list');
  return withDefaultTag(parseReference(text));
}
