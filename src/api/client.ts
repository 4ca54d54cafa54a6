import { resolve as resolvePath } from 'node:path';
import { descriptorOf, type Draft, type Format } from '../draft/draft.ts';
import { Workspace } from '../draft/workspace/workspace.ts';
import { MlistError, SeveralErrors, type Problem } from '../errors/errors.ts';
import type { Json } from '../json/json.ts';
import type { Annotations, Descriptor } from '../oci/descriptor.ts';
import { parseDigest } from '../oci/digest.ts';
import { isFileLocation, parseLocation } from '../oci/location.ts';
import type { Platform } from '../oci/platform/platform.ts';
import { parsePlatform } from '../oci/platform/platform.ts';
import { isTag, parseReference } from '../oci/reference.ts';
import { apply, type Applied } from '../operations/apply/apply.ts';
import { copy, type Copied } from '../operations/copy/copy.ts';
import { newDraft } from '../operations/create/create-draft.ts';
import { resolveAll } from '../operations/create/create.ts';
import type { OnEvent } from '../operations/events.ts';
import { explain, type Explained } from '../operations/explain/explain.ts';
import { inspect } from '../operations/inspect/inspect.ts';
import type { Group } from '../operations/join/group.ts';
import { join, type Joined } from '../operations/join/join.ts';
import { listBytes } from '../operations/list-bytes.ts';
import type { ReadOptions } from '../operations/lookup.ts';
import { pushDraft } from '../operations/push/push-draft.ts';
import { requirePlatforms } from '../operations/require-platforms.ts';
import { resolve } from '../operations/resolve/resolve.ts';
import { deleteReference, listTags, type Deleted } from '../operations/tags/registry-tags.ts';
import { validateBytes, validateList } from '../operations/validate/validate.ts';
import { Stores } from '../store/open.ts';
import type { RegistryOptions } from '../store/registry/registry-options.ts';
import { version } from '../version.ts';
import { DraftWorkspace } from './draft-workspace.ts';
import {
  explicitName,
  parsePlatforms,
  parseRegistryReference,
  parseSource,
  parseTagReference,
  parseTarget,
  toPushedTag,
  type CallOptions,
  type PushedTag,
  type Source,
} from './inputs.ts';

/** All options are optional. By default the client is anonymous and stores nothing on disk. */
export interface ClientOptions extends Omit<RegistryOptions, 'waiting' | 'onWarning'> {
  /** Base folder of relative paths, for example in `oci:DIR`. Default: the current folder of the process. */
  readonly cwd?: string | undefined;
  /** The `User-Agent` header. Default: `mlist/VERSION`. */
  readonly userAgent?: string | undefined;
  /** Environment variables for proxies and certificates. Default: those of the process. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Receives progress, warnings and notes of all calls that have no `onEvent` of their own. */
  readonly onEvent?: OnEvent | undefined;
}

export interface CreateIndexOptions extends CallOptions {
  /** `auto`: a Docker manifest list if all images have Docker media types and nothing requires OCI. Default auto. */
  readonly format?: Format | undefined;
  /** Annotations of the index itself, which require the OCI format. */
  readonly annotations?: Annotations | undefined;
  readonly artifactType?: string | undefined;
  /** List only the images for these platforms. Default: all. */
  readonly platforms?: readonly string[] | undefined;
  /** Keep or drop the attestations of the images. Default keep. */
  readonly attestations?: 'keep' | 'drop' | undefined;
  /** Refuse or skip images that a source index lists but its store lacks. Default refuse: they are an error. */
  readonly missing?: 'refuse' | 'skip' | undefined;
}

/** An image index or Docker manifest list in memory. */
export interface CreatedIndex {
  /** The exact bytes that are pushed. */
  readonly bytes: Uint8Array;
  readonly descriptor: Descriptor;
  /** The entries, in order. */
  readonly manifests: readonly Descriptor[];
}

export interface PushIndexOptions extends CallOptions {
  /** Further tags, such as `latest`, or complete references for other repositories. */
  readonly tags?: readonly string[] | undefined;
  /** Platforms that the index must have. */
  readonly expect?: readonly string[] | undefined;
  /**
   * Move a tag only if it has this digest, or with `absent`, only if it does not exist. A tag that already has the index is
   * accepted.
   */
  readonly ifDigest?: string | undefined;
  /** Push an index without entries. Default false. */
  readonly allowEmpty?: boolean | undefined;
  /** Allow the index to replace a single image whose platform it lacks. Default false. */
  readonly replaceImage?: boolean | undefined;
  /** Plan and check, but write nothing. Default false. */
  readonly dryRun?: boolean | undefined;
}

export interface PushResult {
  readonly descriptor: Descriptor;
  readonly targets: readonly PushedTag[];
}

export interface CopyOptions extends CallOptions {
  /** Copy only the images for these platforms; a list then gets a new digest. Default: all. */
  readonly platforms?: readonly string[] | undefined;
  /** Keep or drop the attestations of the images. Default keep. */
  readonly attestations?: 'keep' | 'drop' | undefined;
  /** Copy the referrers and cosign signatures too. Default false. */
  readonly referrers?: boolean | undefined;
  /** Refuse or skip images that a list contains but its store lacks. Default refuse: they are an error. */
  readonly missing?: 'refuse' | 'skip' | undefined;
  /** Platforms that the copied image or list must have. */
  readonly expect?: readonly string[] | undefined;
  /** Allow a list to replace a single image whose platform it lacks. Default false. */
  readonly replaceImage?: boolean | undefined;
  /** Plan and check, but write nothing. Default false. */
  readonly dryRun?: boolean | undefined;
}

export interface ResolveOptions extends CallOptions {
  /** Resolve the image that containerd pulls for this platform. Default: resolve the list itself. */
  readonly platform?: string | undefined;
}

export interface InspectOptions extends CallOptions {
  /** Read the image for this platform, which must be the only one. Default: read the list itself. */
  readonly platform?: string | undefined;
}

export interface InspectResult {
  /** Canonical reference or location. */
  readonly reference: string;
  readonly descriptor: Descriptor;
  /** The exact bytes. */
  readonly bytes: Uint8Array;
  readonly document: Json;
}

export interface ValidateOptions extends CallOptions {
  /** Allow several images for one platform. Default false. */
  readonly allowDuplicates?: boolean | undefined;
  /** Read every manifest, config and layer too. Only for references and locations. Default false. */
  readonly deep?: boolean | undefined;
}

export interface ValidateResult {
  /** Whether no problem is an error. There may be warnings. */
  readonly valid: boolean;
  /** Errors and warnings, at most 100. */
  readonly problems: readonly Problem[];
}

export interface ExplainOptions extends CallOptions {
  /** Default: the platform of this machine. */
  readonly platforms?: readonly string[] | undefined;
}

export interface JoinOptions extends CallOptions {
  /** The build that this call belongs to. Calls with the same group create one list together. */
  readonly group?: string | Group | undefined;
  /** All platforms of the build. The tag is written when all of them are present. Requires `group`. */
  readonly expect?: readonly string[] | undefined;
  /** Milliseconds to wait for the other participants. Default 0: do not wait. */
  readonly waitMs?: number | undefined;
}

export interface ApplyOptions extends CallOptions {
  /** Plan and check, but write nothing. Default false. */
  readonly dryRun?: boolean | undefined;
  /** Name of the document in errors. Default `spec`. */
  readonly name?: string | undefined;
}

/** @see Client */
export function createClient(options: ClientOptions = {}): Client {
  return new Client(options);
}

/**
 * Reads and writes image lists in registries, OCI layouts and archives. A client keeps connections, tokens and fetched
 * manifests for all of its calls. Every method rejects with an `MlistError`.
 */
export class Client {
  readonly #options: ClientOptions;
  readonly #stores: Stores;
  /** Drafts of the indexes that this client created: they hold the source of each entry. */
  readonly #drafts = new WeakMap<CreatedIndex, Draft>();
  /** The stores of the workspaces that `drafts` has opened. */
  readonly #workspaces: Stores[] = [];

  constructor(options: ClientOptions = {}) {
    this.#options = options;
    this.#stores = this.#open(undefined);
  }

  /**
   * Creates an image index in memory; nothing is written. Reads the manifest of each source, and the config of an image
   * whose platform is not stated.
   * @throws MlistError `ERR_MLIST_NOT_FOUND`, `ERR_MLIST_PLATFORM_NOT_FOUND`, `ERR_MLIST_DOCUMENT_INVALID`; the errors
   *   of all sources together
   */
  async createIndex(sources: readonly Source[], options: CreateIndexOptions = {}): Promise<CreatedIndex> {
    const call = this.#call(options);
    const { format, annotations, artifactType, attestations, missing } = options;
    const platforms = parsePlatforms(options.platforms);
    const resolved = await resolveAll(sources.map(parseSource), { ...call, platforms, attestations, missing });
    const there = resolved.flatMap((source) => source.platforms);
    requirePlatforms(platforms, there, 'the list of sources');
    for (const event of resolved.flatMap(({ events }) => events)) call.onEvent?.(event);
    const { draft } = newDraft(UNNAMED, resolved, { format, listChange: { annotations, artifactType } });
    const { bytes, mediaType, digest } = await listBytes(draft, this.#reading(call));
    const manifests = draft.entries.map(descriptorOf);
    const index = { bytes, descriptor: { mediaType, digest, size: bytes.length }, manifests };
    this.#drafts.set(index, draft);
    return index;
  }

  /**
   * Pushes an index that this client created: missing child manifests and blobs first, then the index, its tags last.
   * @param target - a reference such as `ghcr.io/team/app:1.0`, or `oci:DIR:TAG` or `oci-archive:FILE:TAG`
   * @throws MlistError before anything is written: `ERR_MLIST_LIST_INVALID`, `ERR_MLIST_EXPECTATION`,
   *   `ERR_MLIST_CONFLICT`; later the errors of all targets that failed
   */
  async pushIndex(index: CreatedIndex, target: string, options: PushIndexOptions = {}): Promise<PushResult> {
    const draft = this.#drafts.get(index);
    if (draft === undefined) {
      throw new MlistError('ERR_MLIST_USAGE', 'the index was not created by createIndex of this client', {
        hint: 'Create it with createIndex of the same client, which records where its images are stored.',
      });
    }
    const call = this.#call(options);
    const { allowEmpty, dryRun, replaceImage, ifDigest } = options;
    const list = isFileLocation(target) ? draft.list : parseTagReference(target);
    const { encoded, pushed, failures } = await pushDraft(
      { ...draft, list },
      { version: 1 },
      {
        ...call,
        to: isFileLocation(target) ? [target] : undefined,
        tags: options.tags?.map((tag) => (isTag(tag) ? `:${tag}` : tag)),
        expect: parsePlatforms(options.expect),
        ifDigest: ifDigest === undefined || ifDigest === 'absent' ? ifDigest : parseDigest(ifDigest),
        allowEmpty,
        replaceImage,
        dryRun,
      },
    );
    SeveralErrors.throwAny(failures);
    const { mediaType, digest, bytes } = encoded;
    return { descriptor: { mediaType, digest, size: bytes.length }, targets: pushed.map(toPushedTag) };
  }

  /**
   * Copies an image or a list with everything that it needs, byte for byte.
   * @param target - without a tag: the tag of the source
   * @throws MlistError `ERR_MLIST_PLATFORM_NOT_FOUND`, `ERR_MLIST_EXPECTATION`, `ERR_MLIST_CONFLICT`
   */
  async copy(source: string, target: string, options: CopyOptions = {}): Promise<Copied> {
    const { signal, onEvent, platforms, expect, ...rest } = options;
    return copy(parseLocation(source), parseTarget(target), {
      ...this.#call({ signal, onEvent }),
      ...rest,
      platforms: parsePlatforms(platforms),
      expect: parsePlatforms(expect),
    });
  }

  /**
   * Resolves a reference or location to a descriptor: that of the list or image, or with `platform`, that of the image that
   * containerd pulls.
   * @throws MlistError `ERR_MLIST_NOT_FOUND`, `ERR_MLIST_PLATFORM_NOT_FOUND`
   */
  async resolve(name: string, options: ResolveOptions = {}): Promise<Descriptor> {
    const platform = optionalPlatform(options.platform);
    const { descriptor } = await resolve(explicitName(name), platform, this.#reading(this.#call(options)));
    return descriptor;
  }

  /** Reads a manifest, byte for byte. @throws MlistError `ERR_MLIST_NOT_FOUND`, `ERR_MLIST_PLATFORM_NOT_FOUND` */
  async inspect(name: string, options: InspectOptions = {}): Promise<InspectResult> {
    const choice = { platform: optionalPlatform(options.platform) };
    const reading = this.#reading(this.#call(options));
    const { reference, content, document } = await inspect(explicitName(name), choice, reading);
    return { reference, descriptor: content.descriptor, bytes: content.bytes, document };
  }

  /**
   * Checks a document against its JSON schema and the rules of docs/rules.md.
   * @param subject - a reference or location, or the bytes of an index, a manifest or a draft
   */
  async validate(subject: string | Uint8Array, options: ValidateOptions = {}): Promise<ValidateResult> {
    const { allowDuplicates, deep, signal } = options;
    const { problems } =
      typeof subject === 'string'
        ? await validateList(
            explicitName(subject),
            { allowDuplicates, deep: deep ?? false },
            this.#reading(this.#call(options)),
          )
        : await validateBytes('the document', subject, { rules: { allowDuplicates }, signal });
    return { valid: !problems.some(({ severity }) => severity === 'error'), problems };
  }

  /** Explains which image each client (containerd, docker, podman, ...) selects from a list for each platform. */
  async explain(name: string, options: ExplainOptions = {}): Promise<Explained> {
    return explain(explicitName(name), parsePlatforms(options.platforms), this.#reading(this.#call(options)));
  }

  /**
   * Adds images to a tag that other participants of a build add to at the same time (docs/join.md).
   * @throws MlistError `ERR_MLIST_CONFLICT`, `ERR_MLIST_EXPECTATION`, `ERR_MLIST_LIST_INVALID`
   */
  async join(target: string, sources: readonly Source[], options: JoinOptions = {}): Promise<Joined> {
    const { group, expect, waitMs } = options;
    return join(parseTagReference(target), sources.map(parseSource), {
      ...this.#call(options),
      group: typeof group === 'string' ? { id: group } : group,
      expect: parsePlatforms(expect),
      waitMs,
    });
  }

  /**
   * Creates and pushes the lists of a spec (docs/apply.md); lists that are already there are not written again.
   * @param spec - YAML or JSON as text, or a document
   * @returns the result of each list; a failure of one list does not reject
   */
  async apply(spec: string | object, options: ApplyOptions = {}): Promise<Applied> {
    const text = typeof spec === 'string' ? spec : JSON.stringify(spec);
    return apply([{ name: options.name ?? 'spec', bytes: Buffer.from(text) }], {
      ...this.#call(options),
      location: parseLocation,
      platform: (platform) => parsePlatform(platform),
      dryRun: options.dryRun,
    });
  }

  /** Lists the tags of a repository. Pages are requested during the iteration. */
  tags(repository: string, options: CallOptions = {}): AsyncIterable<string> {
    return listTags(parseRegistryReference(repository), this.#call(options));
  }

  /** Deletes a tag, or with a digest, the manifest and all its tags. @throws MlistError `ERR_MLIST_NOT_FOUND` */
  async delete(reference: string, options: CallOptions = {}): Promise<Deleted> {
    return deleteReference(parseRegistryReference(reference), this.#call(options));
  }

  /**
   * Opens the drafts of a workspace. The command line uses the same files.
   * @param folder - the workspace, for example `.mlist`; it is created when the first draft is written
   */
  drafts(folder: string): DraftWorkspace {
    const path = resolvePath(this.#options.cwd ?? process.cwd(), folder);
    const stores = this.#open(path);
    const workspace = new Workspace(path, { cwd: this.#options.cwd ?? process.cwd() });
    const drafts = new DraftWorkspace(workspace, stores, this.#options.onEvent);
    this.#workspaces.push(stores);
    return drafts;
  }

  /** Closes connections and files. Calls that are still running are aborted. */
  async close(): Promise<void> {
    await Promise.all([this.#stores, ...this.#workspaces].map((stores) => stores.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #open(workspaceFolder: string | undefined): Stores {
    const {
      cwd = process.cwd(),
      userAgent = `mlist/${version}`,
      env = process.env,
      onEvent,
      ...registry
    } = this.#options;
    const onWarning = (message: string) => onEvent?.({ type: 'warning', message });
    return new Stores({ ...registry, workspaceFolder, cwd, userAgent, env, onWarning });
  }

  #call({ signal, onEvent = this.#options.onEvent }: CallOptions) {
    return { stores: this.#stores, signal, onEvent };
  }

  #reading(call: CallOptions): ReadOptions {
    const { signal, onEvent } = call;
    return { cache: this.#stores.cache, stores: () => this.#stores, signal, onEvent };
  }
}

/** The name of a list until it is pushed. */
const UNNAMED = parseReference('localhost/index:latest');

function optionalPlatform(text: string | undefined): Platform | undefined {
  return text === undefined ? undefined : parsePlatform(text);
}
