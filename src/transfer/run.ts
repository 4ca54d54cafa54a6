import { allOrErrors } from '../async/settle.ts';
import { errorCode, type TargetOutcome } from '../errors/errors.ts';
import {
  contentReference,
  RepeatableReadError,
  type ContentOptions,
  type ContentWriter,
  type Mounter,
  type TagOrDigest,
} from '../store/store.ts';
import { isDigestName, type Digest } from '../oci/digest.ts';
import { ignoreNotFound } from '../errors/not-found.ts';
import { MAX_DOCUMENT_BYTES } from '../json/parse.ts';
import { isImageConfigType } from '../oci/media-type.ts';
import type { Platform } from '../oci/platform/platform.ts';
import { imagesOfBlobs } from './blob-images.ts';
import type { SharedTransfers } from './shared-transfers.ts';
import { withReason } from './unknown-content.ts';
import type { BlobStep, ManifestStep, Plan, RootStep } from './plan.ts';
import { isOutcomeUnknown, storeManifest, type StoreOptions } from './store-manifest.ts';
import { logTarget, type TargetLog } from './target-log.ts';

/** Progress of a transfer. The digest identifies the blob or manifest. */
export type TransferEvent =
  /**
   * Upper limits for the number of blobs and bytes to send. They include blobs that can be mounted or that the target
   * already has.
   */
  | { readonly type: 'started'; readonly target: string; readonly blobs: number; readonly bytes: number }
  /** `moved`: number of bytes of the blob that have been read so far. It restarts at 0 for each retry. */
  | {
      readonly type: 'progress';
      readonly digest: Digest;
      readonly size: number;
      readonly moved: number;
      readonly target: string;
      /** The platform of the image that the blob belongs to, or `attestation`. Absent if unknown. */
      readonly image?: string;
    }
  | {
      readonly type: 'blob';
      /** `present`: the target already had the blob. */
      readonly how: 'mounted' | 'uploaded' | 'present';
      readonly digest: Digest;
      readonly size: number;
      readonly target: string;
    }
  | { readonly type: 'manifest'; readonly digest: Digest; readonly target: string }
  | ({
      readonly type: 'tagged';
      readonly digest: Digest;
      readonly name: string;
      readonly target: string;
    } & ReplacedTag);

/** The previous state of a tag that was written. Members that are not known are absent. */
export interface ReplacedTag {
  readonly before?: Digest | 'absent';
  /** Platforms of the previous list that the new content lacks. */
  readonly lost?: readonly Platform[];
}

export interface RunOptions extends ContentOptions {
  /**
   * Shared between the plans of a command, so that each blob and manifest is sent to a target only once. Default:
   * nothing is shared.
   */
  readonly transfers?: SharedTransfers | undefined;
  /**
   * The current states of the tags and digests in `Plan.root.names`, keyed by name. No name is written before this
   * promise resolves; if it rejects, the plan stops.
   */
  readonly replaced?: Promise<ReadonlyMap<TagOrDigest, ReplacedTag>> | undefined;
  /**
   * Called when all content is stored, including the root by its digest, and before any name of the root is written.
   * The names are written when the returned promise resolves. A target that refuses the root therefore fails before any
   * name is written.
   */
  readonly beforeNames?: ((signal: AbortSignal | undefined) => Promise<void>) | undefined;
  /** Called with the bytes of each image config that is transferred. They are not verified yet. */
  readonly onConfig?: ((step: BlobStep, bytes: Uint8Array) => void) | undefined;
  /** Records the outcome for each name. */
  readonly targets?: TargetLog | undefined;
  readonly onEvent?: ((event: TransferEvent) => void) | undefined;
}

/**
 * Runs a plan. Independent steps run concurrently: each manifest is written as soon as its dependencies exist, and the
 * root last. The first failure aborts all other steps, and the root is then not written.
 */
export async function runPlan(plan: Plan, options: RunOptions = {}): Promise<void> {
  const failure = new AbortController();
  const signal = options.signal === undefined ? failure.signal : AbortSignal.any([options.signal, failure.signal]);
  const steps = new Map<Digest, Promise<unknown>>();
  const stored = new Set<string>();
  const start = (digest: Digest, work: () => Promise<void>) => {
    const running = work().then(
      () => void stored.add(digest),
      (thrown: unknown) => {
        failure.abort(thrown);
        throw thrown;
      },
    );
    // The same digest may be planned as a blob and as a manifest. Steps that need it wait for both.
    const both = Promise.all([steps.get(digest), running]);
    both.catch(() => undefined);
    steps.set(digest, both);
  };
  const isStored = async (digest: string): Promise<boolean> =>
    stored.has(digest) || (await options.transfers?.has(plan.target.location, digest)) === true;
  const rootOptions = { ...options, isStored, imageOf: imagesOfBlobs(plan) };
  const stepOptions = { ...rootOptions, signal };
  reportStart(plan, options);
  for (const step of plan.blobs) {
    start(step.blob.digest, async () => {
      const facts = { digest: step.blob.digest, size: step.blob.size, target: plan.target.location };
      const isNew = await unlessDone(facts, stepOptions, () => putBlob(plan.target, step, stepOptions));
      if (!isNew) options.onEvent?.({ type: 'blob', how: 'present', ...facts });
    });
  }
  for (const step of plan.manifests) {
    const needed = step.needs.flatMap((digest) => steps.get(digest) ?? []);
    start(step.content.descriptor.digest, async () => {
      await Promise.all(needed);
      const { digest } = step.content.descriptor;
      await unlessDone({ digest, target: plan.target.location }, stepOptions, () =>
        putManifest(plan.target, step, stepOptions),
      );
    });
  }
  options.replaced?.catch((thrown: unknown) => failure.abort(thrown));
  await allOrErrors<unknown>(
    [...steps.values(), ...(options.replaced === undefined ? [] : [options.replaced])],
    options.signal,
  );
  await putRoots(plan, rootOptions);
}

/** Writes the roots under their names, the main root last. Everything that the roots refer to is already stored. */
async function putRoots(plan: Plan, rootOptions: PutOptions): Promise<void> {
  const { beforeNames, signal } = rootOptions;
  await allOrErrors(
    plan.otherRoots.map((root) => putRoot(plan.target, root, { ...rootOptions, replaced: undefined })),
    signal,
  );
  if (beforeNames !== undefined) {
    await putManifest(plan.target, { content: plan.root.content, needs: [], foreign: [] }, rootOptions);
    await beforeNames(signal);
  }
  await putRoot(plan.target, plan.root, rootOptions);
}

/**
 * Runs `work` unless another plan has done it.
 * @returns whether this call ran `work`
 */
async function unlessDone(
  { digest, target }: { readonly digest: Digest; readonly target: string },
  { transfers, signal }: RunOptions,
  work: () => Promise<void>,
): Promise<boolean> {
  if (transfers !== undefined) return transfers.run(target, digest, work, signal);
  await work();
  return true;
}

function reportStart({ blobs, target }: Plan, { onEvent }: RunOptions): void {
  if (blobs.length === 0) return;
  const bytes = blobs.reduce((sum, { blob }) => sum + blob.size, 0);
  onEvent?.({ type: 'started', target: target.location, blobs: blobs.length, bytes });
}

async function putBlob(target: ContentWriter & Partial<Mounter>, step: BlobStep, options: PutOptions): Promise<void> {
  const { action, blob, from } = step;
  const facts = { digest: blob.digest, size: blob.size, target: target.location };
  const image = options.onEvent && options.imageOf(blob.digest);
  const reading = new BlobReading(
    () => withConfigCopy(from.readBlob(blob, options), step, options),
    (moved) => options.onEvent?.({ type: 'progress', ...facts, moved, ...(image === undefined ? {} : { image }) }),
  );
  const mount = action === 'mount' ? target.mountBlob?.bind(target) : undefined;
  const put =
    mount === undefined
      ? target.putBlob(blob, reading.open, options)
      : mount(blob, from, reading.open, options).then((how) => {
          if (how === 'mounted') reading.isMounted = true;
        });
  try {
    await put;
  } catch (thrown) {
    const isMissing = step.isListed === true && errorCode(reading.failure) === 'ERR_MLIST_NOT_FOUND';
    if (isMissing && (await putListedManifest(target, step, options))) return;
    // The recursion ends, because each repetition excludes the mirrors that have sent wrong content.
    if (reading.failure instanceof RepeatableReadError) return putBlob(target, step, options);
    throw reading.failure ?? thrown;
  }
  options.onEvent?.({ type: 'blob', how: reading.how, ...facts });
}

/**
 * Copies an entry of an unknown type as a manifest.
 * @returns false if the source does not have it as a manifest
 */
async function putListedManifest(
  target: ContentWriter,
  { blob, from }: BlobStep,
  options: PutOptions,
): Promise<boolean> {
  const { signal } = options;
  const content = await ignoreNotFound(from.fetchManifest(blob.digest, { expected: blob, signal }));
  if (content === undefined) return false;
  await putManifest(target, { content, needs: [], foreign: [] }, options);
  return true;
}

/** Passes on the chunks of a blob. If it is an image config, its bytes are also passed to `onConfig`. */
function withConfigCopy(
  chunks: AsyncIterable<Uint8Array>,
  step: BlobStep,
  { onConfig }: RunOptions,
): AsyncIterable<Uint8Array> {
  const { mediaType, size } = step.blob;
  const isConfig = onConfig !== undefined && isImageConfigType(mediaType) && size <= MAX_DOCUMENT_BYTES;
  return isConfig ? collected(chunks, size, (bytes) => onConfig(step, bytes)) : chunks;
}

/**
 * Passes on the chunks. Calls `onWhole` with all bytes before it passes on the last chunk, because an upload stops
 * reading when it has all bytes.
 */
async function* collected(
  chunks: AsyncIterable<Uint8Array>,
  size: number,
  onWhole: (bytes: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  const copies: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    copies.push(Uint8Array.from(chunk));
    length += chunk.length;
    if (length === size) onWhole(Buffer.concat(copies));
    yield chunk;
  }
}

/**
 * Reads a blob for an upload or mount, and records whether it was read. If the source fails, `failure` is its error,
 * which is reported instead of the resulting error of the upload.
 */
class BlobReading {
  readonly #open: () => AsyncIterable<Uint8Array>;
  readonly #onMoved: (bytes: number) => void;
  #isRead = false;
  isMounted = false;
  failure: unknown;

  constructor(open: () => AsyncIterable<Uint8Array>, onMoved: (bytes: number) => void) {
    this.#open = open;
    this.#onMoved = onMoved;
  }

  get how(): 'mounted' | 'uploaded' | 'present' {
    return this.isMounted ? 'mounted' : this.#isRead ? 'uploaded' : 'present';
  }

  readonly open = (): AsyncIterable<Uint8Array> => {
    this.#isRead = true;
    return this.#chunks();
  };

  async *#chunks(): AsyncGenerator<Uint8Array> {
    this.failure = undefined;
    let moved = 0;
    try {
      for await (const chunk of this.#open()) {
        moved += chunk.length;
        this.#onMoved(moved);
        yield chunk;
      }
    } catch (thrown) {
      this.failure = thrown;
      throw thrown;
    }
  }
}

interface PutOptions extends RunOptions, Pick<StoreOptions, 'isStored'> {
  readonly imageOf: (digest: Digest) => string | undefined;
}

async function putManifest(target: ContentWriter, step: ManifestStep, options: PutOptions): Promise<void> {
  const { content, foreign } = step;
  const { digest } = content.descriptor;
  await storeManifest(target, content, digest, options).catch((thrown: unknown) => {
    throw withReason(thrown, foreign);
  });
  options.onEvent?.({ type: 'manifest', digest, target: target.location });
}

/**
 * Writes the root under all its names concurrently. At any time, each name refers to its previous content or to the
 * complete new content. Events are emitted in the order of the names.
 */
async function putRoot(target: ContentWriter, root: RootStep, options: PutOptions): Promise<void> {
  const replaced = await options.replaced;
  let earlier: Promise<unknown> = Promise.resolve();
  const moved = root.names.map((name) => {
    const moving = putName(target, name, root, { ...options, before: replaced?.get(name) });
    const reported = Promise.all([moving, earlier]).then(([event]) => options.onEvent?.(event));
    earlier = Promise.allSettled([earlier, reported]);
    return reported;
  });
  await allOrErrors(moved, options.signal);
}

/**
 * Writes the root under one name.
 * @returns the event to report
 */
async function putName(
  target: ContentWriter,
  name: TagOrDigest,
  { content, ifMatch }: RootStep,
  { before, ...options }: PutOptions & { readonly before: ReplacedTag | undefined },
): Promise<TransferEvent> {
  const { digest } = content.descriptor;
  const reference = contentReference(target.location, name);
  const log = (status: TargetOutcome['status']) => logTarget(options.targets, { reference, status, digest });
  log('unknown');
  try {
    await storeManifest(target, content, name, { ...options, ifMatch: ifMatch?.get(name) });
  } catch (thrown) {
    options.signal?.throwIfAborted();
    if (!isOutcomeUnknown(thrown)) log('not-pushed');
    throw withReason(thrown, []);
  }
  log('pushed');
  const facts = { digest, target: target.location };
  return isDigestName(name) ? { type: 'manifest', ...facts } : { type: 'tagged', name, ...facts, ...before };
}
