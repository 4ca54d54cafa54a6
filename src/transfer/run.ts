import { allOrErrors } from '../async/settle.ts';
import { errorCode, type TargetOutcome } from '../errors/errors.ts';
import type { ContentOptions, ContentWriter, Mounter, TagOrDigest } from '../store/store.ts';
import { isDigestName, type Digest } from '../oci/digest.ts';
import { ignoreNotFound } from '../errors/not-found.ts';
import { MAX_DOCUMENT_BYTES } from '../json/parse.ts';
import { isImageConfigType } from '../oci/media-type.ts';
import type { Platform } from '../oci/platform/platform.ts';
import type { SharedTransfers } from './shared-transfers.ts';
import { withReason } from './unknown-content.ts';
import type { BlobStep, ManifestStep, Plan, RootStep } from './plan.ts';
import { isOutcomeUnknown, storeManifest, type StoreOptions } from './store-manifest.ts';
import { logTarget, type TargetLog } from './target-log.ts';

/** What is being done, and what has been done; the digest says to what. */
export type TransferEvent =
  /** How much a plan moves at most: what can be mounted, or is there already, is counted too. */
  | { readonly type: 'started'; readonly target: string; readonly blobs: number; readonly bytes: number }
  /** How many bytes of a blob were read and handed on. It begins at 0 again where a try was cut short. */
  | {
      readonly type: 'progress';
      readonly digest: Digest;
      readonly size: number;
      readonly moved: number;
      readonly target: string;
    }
  | {
      readonly type: 'blob';
      /** present: the target had it already. */
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

/** What a name stood for before it was moved, as far as that is known. */
export interface ReplacedTag {
  readonly before?: Digest | 'absent';
  /** Platforms of the list that it named before which the new content lacks. */
  readonly lost?: readonly Platform[];
}

export interface RunOptions extends ContentOptions {
  /** Shared by the plans of one command, so that they send a blob or manifest to a target once. */
  readonly transfers?: SharedTransfers | undefined;
  /** By name of the root, what it stands for now. No name is moved before this resolves; if it rejects, the plan stops. */
  readonly replaced?: Promise<ReadonlyMap<TagOrDigest, ReplacedTag>> | undefined;
  /** Gets each config of an image that is read, before it is verified. */
  readonly onConfig?: ((step: BlobStep, bytes: Uint8Array) => void) | undefined;
  /** Is told what becomes of each name. */
  readonly targets?: TargetLog | undefined;
  readonly onEvent?: ((event: TransferEvent) => void) | undefined;
}

/**
 * Carries out a plan: everything that may go at once goes at once, each manifest as soon as what it needs is there, the
 * list when all is there. The first failure stops the rest; then nothing points at anything incomplete.
 */
export async function runPlan(plan: Plan, options: RunOptions = {}): Promise<void> {
  const failed = new AbortController();
  const signal = options.signal === undefined ? failed.signal : AbortSignal.any([options.signal, failed.signal]);
  const done = new Map<Digest, Promise<unknown>>();
  const stored = new Set<string>();
  const start = (digest: Digest, work: () => Promise<void>) => {
    const running = work().then(
      () => void stored.add(digest),
      (thrown: unknown) => {
        failed.abort(thrown);
        throw thrown;
      },
    );
    // One digest may be needed as a blob and as a manifest.
    const both = Promise.all([done.get(digest), running]);
    both.catch(() => undefined);
    done.set(digest, both);
  };
  const isStored = async (digest: string): Promise<boolean> =>
    stored.has(digest) || (await options.transfers?.has(plan.target.location, digest)) === true;
  const outer = { ...options, isStored };
  const inner = { ...outer, signal };
  tellStart(plan, options);
  for (const step of plan.blobs) {
    start(step.blob.digest, async () => {
      const facts = { digest: step.blob.digest, size: step.blob.size, target: plan.target.location };
      const isNew = await unlessDone(facts, inner, () => putBlob(plan.target, step, inner));
      if (!isNew) options.onEvent?.({ type: 'blob', how: 'present', ...facts });
    });
  }
  for (const step of plan.manifests) {
    const needed = step.needs.flatMap((digest) => done.get(digest) ?? []);
    start(step.content.descriptor.digest, async () => {
      await Promise.all(needed);
      const { digest } = step.content.descriptor;
      await unlessDone({ digest, target: plan.target.location }, inner, () => putManifest(plan.target, step, inner));
    });
  }
  options.replaced?.catch((thrown: unknown) => failed.abort(thrown));
  await allOrErrors<unknown>(
    [...done.values(), ...(options.replaced === undefined ? [] : [options.replaced])],
    options.signal,
  );
  await allOrErrors(
    plan.labels.map((label) => putRoot(plan.target, label, { ...outer, replaced: undefined })),
    options.signal,
  );
  await putRoot(plan.target, plan.root, outer);
}

/** Does the work unless another plan has done it. @returns whether it was done here */
async function unlessDone(
  { digest, target }: { readonly digest: Digest; readonly target: string },
  { transfers, signal }: RunOptions,
  work: () => Promise<void>,
): Promise<boolean> {
  if (transfers !== undefined) return transfers.run(target, digest, work, signal);
  await work();
  return true;
}

function tellStart({ blobs, target }: Plan, { onEvent }: RunOptions): void {
  if (blobs.length === 0) return;
  const bytes = blobs.reduce((sum, { blob }) => sum + blob.size, 0);
  onEvent?.({ type: 'started', target: target.location, blobs: blobs.length, bytes });
}

async function putBlob(target: ContentWriter & Partial<Mounter>, step: BlobStep, options: PutOptions): Promise<void> {
  const { action, blob, from } = step;
  const facts = { digest: blob.digest, size: blob.size, target: target.location };
  const reading = new Reading(
    () => watched(from.readBlob(blob, options), step, options),
    (moved) => options.onEvent?.({ type: 'progress', ...facts, moved }),
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
    throw reading.failure ?? thrown;
  }
  options.onEvent?.({ type: 'blob', how: reading.how, ...facts });
}

/** Puts an entry of an unknown type that the source has as a manifest. @returns whether it has */
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

/** The same pieces; those of a config are also collected for `onConfig`. */
function watched(
  pieces: AsyncIterable<Uint8Array>,
  step: BlobStep,
  { onConfig }: RunOptions,
): AsyncIterable<Uint8Array> {
  const { mediaType, size } = step.blob;
  const isWatched = onConfig !== undefined && isImageConfigType(mediaType) && size <= MAX_DOCUMENT_BYTES;
  return isWatched ? collected(pieces, size, (bytes) => onConfig(step, bytes)) : pieces;
}

/** An upload does not ask for a further piece after the last byte. */
async function* collected(
  pieces: AsyncIterable<Uint8Array>,
  size: number,
  onWhole: (bytes: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  const copies: Uint8Array[] = [];
  let length = 0;
  for await (const piece of pieces) {
    copies.push(Uint8Array.from(piece));
    length += piece.length;
    if (length === size) onWhole(Buffer.concat(copies));
    yield piece;
  }
}

/** Reading a blob while it is put. If the reading fails, that is what failed, whatever the target makes of it. */
class Reading {
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

type PutOptions = RunOptions & Pick<StoreOptions, 'isStored'>;

async function putManifest(target: ContentWriter, step: ManifestStep, options: PutOptions): Promise<void> {
  const { content, foreign } = step;
  const { digest } = content.descriptor;
  await storeManifest(target, content, digest, options).catch((thrown: unknown) => {
    throw withReason(thrown, foreign);
  });
  options.onEvent?.({ type: 'manifest', digest, target: target.location });
}

/** Moves all names at once; each either has the whole list or what it had. */
async function putRoot(target: ContentWriter, root: RootStep, options: PutOptions): Promise<void> {
  const replaced = await options.replaced;
  const moved = root.names.map((name) => putName(target, name, root, { ...options, before: replaced?.get(name) }));
  await allOrErrors(moved, options.signal);
}

async function putName(
  target: ContentWriter,
  name: TagOrDigest,
  { content, ifMatch }: RootStep,
  { before, ...options }: PutOptions & { readonly before: ReplacedTag | undefined },
): Promise<void> {
  const { digest } = content.descriptor;
  const reference = `${target.location}${isDigestName(name) ? '@' : ':'}${name}`;
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
  options.onEvent?.(
    isDigestName(name) ? { type: 'manifest', ...facts } : { type: 'tagged', name, ...facts, ...before },
  );
}
