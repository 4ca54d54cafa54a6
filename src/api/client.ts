import { resolve as resolvePath } from 'node:path';
import { descriptorOf, type Draft } from '../draft/draft.ts';
import { contentOfList } from '../draft/to-list.ts';
import { Workspace } from '../draft/workspace/workspace.ts';
import { MlistError, SeveralErrors } from '../errors/errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { isLocalLocation, parseLocation } from '../oci/location.ts';
import { parsePlatform } from '../oci/platform/platform.ts';
import { parseReference } from '../oci/reference.ts';
import { apply, type Applied } from '../operations/apply/apply.ts';
import { copy, type Copied } from '../operations/copy/copy.ts';
import { newDraft } from '../operations/create/create-draft.ts';
import { resolveAll } from '../operations/create/create.ts';
import { explain, type Explained } from '../operations/explain/explain.ts';
import { inspect } from '../operations/inspect/inspect.ts';
import { join, type Joined } from '../operations/join/join.ts';
import { listBytes } from '../operations/list-bytes.ts';
import type { ReadOptions } from '../operations/lookup.ts';
import { withInterruptionReport } from '../operations/publish/interruption.ts';
import { generateManifests } from '../operations/push/generate-manifests.ts';
import { pushDraft } from '../operations/push/push-draft.ts';
import { requirePlatforms } from '../operations/require-platforms.ts';
import { resolve } from '../operations/resolve/resolve.ts';
import { deleteReference, listTags, type Deleted } from '../operations/tags/registry-tags.ts';
import { parseRequirement } from '../operations/validate/predicate-requirement.ts';
import { validateBytes, validateList } from '../operations/validate/validate.ts';
import { Stores } from '../store/open.ts';
import { AllowedRegistries } from '../store/registry/credentials/allowed-registries.ts';
import type { MirrorEvent } from '../store/registry/registry-options.ts';
import { version } from '../version.ts';
import { ApiCalls } from './api-call.ts';
import { callChecks, checkedCredentials, optionChecks } from './client-checks.ts';
import type {
  ApplyOptions,
  ClientOptions,
  CopyOptions,
  CreatedIndex,
  CreateIndexOptions,
  ExplainOptions,
  InspectOptions,
  InspectResult,
  JoinOptions,
  PushIndexOptions,
  PushResult,
  ResolveOptions,
  ValidateOptions,
  ValidateResult,
} from './client-options.ts';
import { DraftWorkspace } from './draft-workspace.ts';
import {
  explicitName,
  parseFillFrom,
  parseIfDigest,
  parseOptionalPlatform,
  parsePlatforms,
  parseRegistryReference,
  parseSources,
  parseTagReference,
  parseTags,
  parseTarget,
  parseTargetTags,
  parseValues,
  specText,
  toPushedTag,
  type CallOptions,
  type Source,
} from './inputs.ts';
import { checkOptions, isText } from './option-checks.ts';

/** @see Client */
export function createClient(options: ClientOptions = {}): Client {
  return new Client(options);
}

/**
 * Reads and writes image lists in registries, OCI layouts, archives and container engines. The calls of a client share
 * connections, tokens and fetched manifests. Every error is an `MlistError`. Its code is `ERR_MLIST_USAGE` if an
 * argument or option has the wrong type.
 */
export class Client {
  readonly #options: ClientOptions;
  readonly #calls: ApiCalls;
  readonly #stores: Stores;
  /** The draft of each created index. A push reads the content of the index from the sources in its draft. */
  readonly #drafts = new WeakMap<CreatedIndex, Draft>();
  /** The stores of the workspaces that `drafts` has opened. */
  readonly #workspaces: Stores[] = [];
  #isClosed = false;

  constructor(options: ClientOptions = {}) {
    checkOptions(options, optionChecks.client);
    this.#options = options;
    this.#calls = new ApiCalls(options.onEvent);
    this.#stores = this.#open(undefined);
  }

  /**
   * Creates an image index or manifest list in memory, without writing anything. Reads the manifest of each source, and
   * the config of each image whose platform is not known otherwise.
   * @throws MlistError `ERR_MLIST_NOT_FOUND` if a source does not exist, `ERR_MLIST_PLATFORM_NOT_FOUND` if no source
   *   has an image for a requested platform, `ERR_MLIST_DOCUMENT_INVALID` if a manifest is invalid. If several sources
   *   fail, the error contains all of their errors
   */
  async createIndex(sources: readonly Source[], options: CreateIndexOptions = {}): Promise<CreatedIndex> {
    return this.#calls.run(options, optionChecks.createIndex, async (call) => {
      const calling = this.#calling(call);
      const { format, annotations, artifactType, attestations, missing } = options;
      const fillFrom = parseFillFrom(options);
      const platforms = parsePlatforms(options.platforms);
      const reading = { ...calling, platforms, attestations, missing, fillFrom };
      const resolved = await resolveAll(parseSources(sources), reading);
      const available = resolved.flatMap((source) => source.platforms);
      requirePlatforms(platforms, available, 'the list of sources');
      for (const event of resolved.flatMap(({ events }) => events)) call.onEvent?.(event);
      const created = newDraft(UNNAMED, resolved, { format, listChange: { annotations, artifactType } });
      const draft = await generateManifests(created.draft, calling);
      const content = contentOfList(await listBytes(draft, this.#reading(call)));
      const index = { ...content, manifests: draft.entries.map(descriptorOf) };
      this.#drafts.set(index, draft);
      return index;
    });
  }

  /**
   * Pushes an index that this client has created: first missing blobs and child manifests, then the index, and its tags
   * last.
   * @param target - a reference such as `ghcr.io/team/app:1.0`, or `oci:DIR:TAG` or `oci-archive:FILE:TAG`
   * @throws MlistError `ERR_MLIST_LIST_INVALID` if the index is invalid or empty, `ERR_MLIST_EXPECTATION` if it lacks a
   *   platform in `expect`, `ERR_MLIST_CONFLICT` if a tag must not be moved. If several targets fail, the error
   *   contains all of their errors
   */
  async pushIndex(index: CreatedIndex, target: string, options: PushIndexOptions = {}): Promise<PushResult> {
    return this.#calls.run(options, optionChecks.pushIndex, async (call) => {
      const draft = this.#drafts.get(index);
      if (draft === undefined) {
        throw new MlistError('ERR_MLIST_USAGE', 'the index was not created by createIndex of this client', {
          hint: 'Create the index with the same client, because only that client knows where its images are stored.',
        });
      }
      const { allowEmpty, allOrNothing, dryRun, replaceImage } = options;
      isText(target, 'the target');
      const list = isLocalLocation(target) ? draft.list : parseTagReference(target);
      const pushing = {
        ...this.#calling(call),
        to: isLocalLocation(target) ? [target] : undefined,
        tags: parseTags(options.tags),
        expect: parsePlatforms(options.expect),
        ifDigest: parseIfDigest(options.ifDigest),
        allowEmpty,
        allOrNothing,
        replaceImage,
        dryRun,
      };
      const { encoded, pushed } = await withInterruptionReport(pushing, async (logged) => {
        const result = await pushDraft({ ...draft, list }, { version: 1 }, logged);
        call.signal?.throwIfAborted();
        SeveralErrors.throwAny(result.failures);
        return result;
      });
      return { descriptor: contentOfList(encoded).descriptor, targets: pushed.map(toPushedTag) };
    });
  }

  /**
   * Copies an image or a list with all of its content. Everything is copied byte for byte, unless options select a part
   * of a list.
   * @param target - if it has no tag, the tag of the source is used
   * @throws MlistError `ERR_MLIST_PLATFORM_NOT_FOUND` if there is no image for a platform in `platforms`,
   *   `ERR_MLIST_EXPECTATION` if the content lacks a platform in `expect`, `ERR_MLIST_CONFLICT` if a tag must not be
   *   moved
   */
  async copy(source: string, target: string, options: CopyOptions = {}): Promise<Copied> {
    return this.#calls.run(options, optionChecks.copy, async (call) => {
      const { platforms, expect, attestations, referrers, missing, replaceImage, dryRun } = options;
      isText(source, 'the source');
      return copy(parseLocation(source), parseTarget(target), {
        ...this.#calling(call),
        attestations,
        referrers,
        missing,
        fillFrom: parseFillFrom(options),
        replaceImage,
        dryRun,
        platforms: parsePlatforms(platforms),
        expect: parsePlatforms(expect),
        tags: parseTargetTags(options.tags),
        ifDigest: parseIfDigest(options.ifDigest),
      });
    });
  }

  /**
   * Resolves a reference or location to the descriptor of the list or image or, with `platform`, to the descriptor of
   * the image that containerd would pull.
   * @throws MlistError `ERR_MLIST_NOT_FOUND` if the reference or location does not exist,
   *   `ERR_MLIST_PLATFORM_NOT_FOUND` if there is no image for the platform
   */
  async resolve(name: string, options: ResolveOptions = {}): Promise<Descriptor> {
    return this.#calls.run(options, optionChecks.resolve, async (call) => {
      const platform = parseOptionalPlatform(options.platform);
      const { descriptor } = await resolve(explicitName(name), platform, this.#reading(call));
      return descriptor;
    });
  }

  /**
   * Reads a manifest, byte for byte.
   * @throws MlistError `ERR_MLIST_NOT_FOUND` if the manifest does not exist, `ERR_MLIST_PLATFORM_NOT_FOUND` if there is
   *   no image for the platform
   */
  async inspect(name: string, options: InspectOptions = {}): Promise<InspectResult> {
    return this.#calls.run(options, optionChecks.inspect, async (call) => {
      const choice = { platform: parseOptionalPlatform(options.platform) };
      const reading = this.#reading(call);
      const { reference, content, document } = await inspect(explicitName(name), choice, reading);
      return { reference, descriptor: content.descriptor, bytes: content.bytes, document };
    });
  }

  /**
   * Checks a document against its JSON schema and the rules of docs/rules.md.
   * @param subject - a reference or location, or the bytes of an index, a manifest or a draft
   */
  async validate(subject: string | Uint8Array, options: ValidateOptions = {}): Promise<ValidateResult> {
    return this.#calls.run(options, optionChecks.validate, async (call) => {
      const { allowDuplicates, deep } = options;
      const expect = parsePlatforms(options.expect);
      const requireAttestations = (options.requireAttestations ?? []).map(parseRequirement);
      if (!ArrayBuffer.isView(subject)) isText(subject, 'the subject', 'a string or a Uint8Array');
      else if (requireAttestations.length > 0)
        throw new MlistError('ERR_MLIST_USAGE', 'requireAttestations needs a reference or location, not bytes');
      const reading = this.#reading(call);
      const rules = { allowDuplicates };
      const { problems } =
        typeof subject === 'string'
          ? await validateList(explicitName(subject), { ...rules, deep, expect, requireAttestations }, reading)
          : await validateBytes('the document', subject, { rules, expect, ...reading });
      return { valid: !problems.some(({ severity }) => severity === 'error'), problems };
    });
  }

  /** Explains which image each client (containerd, docker, podman, ...) selects from a list for each platform. */
  async explain(name: string, options: ExplainOptions = {}): Promise<Explained> {
    return this.#calls.run(options, optionChecks.explain, async (call) => {
      return explain(explicitName(name), parsePlatforms(options.platforms), this.#reading(call));
    });
  }

  /**
   * Adds images to a tag to which other participants of a build add images at the same time (docs/join.md).
   * @throws MlistError `ERR_MLIST_CONFLICT` if participants contradict each other or the wait times out,
   *   `ERR_MLIST_EXPECTATION` if an image is for a platform that is not in `expect`, `ERR_MLIST_LIST_INVALID` if the
   *   sources contain no image
   */
  async join(target: string, sources: readonly Source[], options: JoinOptions = {}): Promise<Joined> {
    return this.#calls.run(options, optionChecks.join, async (call) => {
      const { group, expect, waitMs } = options;
      if (expect?.length && group === undefined) throw new MlistError('ERR_MLIST_USAGE', 'expect requires group');
      return join(parseTagReference(target), parseSources(sources), {
        ...this.#calling(call),
        group: typeof group === 'string' ? { id: group } : group,
        expect: parsePlatforms(expect),
        waitMs,
      });
    });
  }

  /**
   * Creates and pushes the lists of a spec (docs/apply.md). A tag that already refers to its list is not written again.
   * @param spec - YAML or JSON as a string, or a parsed document
   * @returns the result of each list. If a list fails, its result has the errors, and the promise is not rejected
   * @throws MlistError `ERR_MLIST_USAGE` if a value has an invalid name or, in a valid spec, is not used
   */
  async apply(spec: string | object, options: ApplyOptions = {}): Promise<Applied> {
    return this.#calls.run(options, optionChecks.apply, async (call) => {
      return apply([{ name: options.name ?? 'spec', bytes: Buffer.from(specText(spec)) }], {
        ...this.#calling(call),
        location: parseLocation,
        platform: (platform) => parsePlatform(platform),
        values: parseValues(options.values),
        dryRun: options.dryRun,
      });
    });
  }

  /** Lists the tags of a repository. Each page is requested when the iteration reaches it. */
  async *tags(repository: string, options: CallOptions = {}): AsyncIterable<string> {
    yield* this.#calls.iterate(options, callChecks, (call) =>
      listTags(parseRegistryReference(repository), this.#calling(call)),
    );
  }

  /**
   * Deletes a tag or, if the reference has only a digest, the manifest and all its tags.
   * @throws MlistError `ERR_MLIST_NOT_FOUND` if the tag or manifest does not exist, `ERR_MLIST_CONFLICT` if the
   *   reference has a tag and a digest, and the tag refers to another digest
   */
  async delete(reference: string, options: CallOptions = {}): Promise<Deleted> {
    return this.#calls.run(options, callChecks, async (call) => {
      return deleteReference(parseRegistryReference(reference), this.#calling(call));
    });
  }

  /**
   * Opens the drafts of a workspace. The command line uses the same files.
   * @param folder - the workspace, for example `.mlist`; it is created when the first draft is written
   */
  drafts(folder: string): DraftWorkspace {
    isText(folder, 'the folder');
    this.#expectOpen();
    const { cwd = process.cwd() } = this.#options;
    const path = resolvePath(cwd, folder);
    const stores = this.#open(path);
    const workspace = new Workspace(path, { cwd });
    const drafts = new DraftWorkspace(workspace, stores, this.#calls);
    this.#workspaces.push(stores);
    return drafts;
  }

  /** Aborts running requests, closes connections and files, and removes temporary files. */
  async close(): Promise<void> {
    this.#isClosed = true;
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
      credentials,
      allowedRegistries,
      ...registry
    } = this.#options;
    const onWarning = this.#calls.guard((message: string) => onEvent?.({ type: 'warning', message }));
    const onRequest = this.#calls.guard(registry.onRequest);
    return new Stores({
      ...registry,
      allowedRegistries: allowedRegistries && AllowedRegistries.parse(allowedRegistries, 'allowedRegistries'),
      credentials: credentials && checkedCredentials(credentials),
      workspaceFolder,
      cwd,
      userAgent,
      env,
      onWarning,
      onRequest,
      onNote: this.#calls.guard((message: string) => onEvent?.({ type: 'note', message })),
      onMirror: this.#calls.guard((event: MirrorEvent) => onEvent?.({ type: 'mirror', ...event })),
    });
  }

  #expectOpen(): void {
    if (this.#isClosed)
      throw new MlistError('ERR_MLIST_USAGE', 'the client is closed', { hint: 'Create another client.' });
  }

  #calling({ signal, onEvent }: CallOptions) {
    this.#expectOpen();
    return { stores: this.#stores, signal, onEvent };
  }

  #reading(call: CallOptions): ReadOptions {
    const { stores, signal, onEvent } = this.#calling(call);
    return { cache: stores.cache, stores: () => stores, signal, onEvent };
  }
}

/** The placeholder reference of an index in memory. `pushIndex` replaces it if the target is in a registry. */
const UNNAMED = parseReference('localhost/index:latest');
