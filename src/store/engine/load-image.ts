import { MlistError } from '../../errors/errors.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import { waitFor, type ReportPending } from '../../async/pending.ts';
import type { Spool } from '../../fs/spool.ts';
import { childrenIn, readDocument } from '../../oci/children.ts';
import { isAttestation } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { formatEngineLocation, nameOfImage, type EngineLocation } from '../../oci/engine-location.ts';
import { isIndexType } from '../../oci/media-type.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import type { ContentOptions, ManifestContent } from '../store.ts';
import { EngineTarget, type LoadableArchive } from './engine-target.ts';
import type { Engine, ImageStore } from './engine.ts';
import { readLoadAnswer, type LoadAnswer } from './load-answer.ts';

/** An image or list that was loaded into an engine, as the engine describes it. */
export interface LoadedImage {
  /** The name of the engine, such as `podman at unix:///run/podman/podman.sock`. */
  readonly engine: string;
  readonly store: ImageStore;
  /**
   * The ID of the image in the engine: the digest of the list or manifest in the containerd store, otherwise the config
   * digest.
   */
  readonly id: Digest;
  /** The platforms of the loaded images. Images whose platform the engine does not report are omitted. */
  readonly platforms: readonly Platform[];
}

export interface LoadOptions extends ContentOptions {
  readonly spool: Spool;
  readonly dryRun?: boolean | undefined;
  readonly waiting?: ReportPending | undefined;
  /**
   * Called just before the archive is sent. If the command is interrupted after this call, the engine may already have
   * moved the tag.
   */
  readonly onSend?: (() => void) | undefined;
  readonly onLoaded?: ((loaded: LoadedImage) => void) | undefined;
}

/**
 * Runs `work` with a target. If `work` succeeds, loads the written content into the engine, and checks that the tag
 * then refers to this content. The engine does not move the tag before it has received the whole archive.
 * @throws MlistError `ERR_MLIST_USAGE` if the location has no tag; `ERR_MLIST_REGISTRY` if the engine cannot load the
 * content; `ERR_MLIST_CONTENT_MISMATCH` if the tag does not refer to this content afterwards
 */
export async function loadImage<T>(
  engine: Engine,
  image: EngineLocation,
  options: LoadOptions,
  work: (target: EngineTarget) => Promise<T>,
): Promise<T> {
  const { spool, dryRun = false, signal } = options;
  const reference = requireName(image);
  const imageStore = await engine.imageStore(reference);
  const target = await EngineTarget.create({ engine, image, imageStore, spool, dryRun });
  try {
    const result = await work(target);
    const archive = await target.commit({ signal });
    if (archive !== undefined) {
      const loading = load(engine, { image, imageStore, archive }, options);
      options.onLoaded?.(await waitFor(options.waiting, `load ${reference}`, loading));
    }
    return result;
  } finally {
    await target.discard();
  }
}

function requireName(image: EngineLocation): string {
  const reference = formatEngineLocation(image);
  if (typeof image.image !== 'string' && image.image.tag !== undefined) return reference;
  throw new MlistError('ERR_MLIST_USAGE', `cannot write ${reference}: a target must be an image name with a tag`, {
    reference,
    hint: `Specify a name with a tag, such as ${image.kind}:team/app:1.0.`,
  });
}

interface Loading {
  readonly image: EngineLocation;
  readonly imageStore: ImageStore;
  readonly archive: LoadableArchive;
}

async function load(engine: Engine, loading: Loading, options: LoadOptions): Promise<LoadedImage> {
  const { file } = loading.archive;
  const { signal, onSend } = options;
  const reference = formatEngineLocation(loading.image);
  onSend?.();
  const body = { type: 'application/x-tar', size: file.size, chunks: () => file.read({}, signal) };
  const answer = readLoadAnswer(engine.load(body, reference, { signal }), reference);
  const { failure, isStored } = await answer.catch(statedFailure);
  if (failure !== undefined) throw refused(engine, loading, failure, isStored);
  return verify(engine, loading, { signal });
}

/**
 * Converts a response with HTTP status 5xx and a message to a failed load, because podman reports a failed load with
 * status 500. Docker reports it in the body of a response with status 200.
 * @throws any other error unchanged
 */
function statedFailure(thrown: unknown): LoadAnswer {
  const { status = 0, diagnostics: [reported] = [] } = thrown instanceof MlistError ? thrown.facts : {};
  if (status < 500 || reported === undefined) throw thrown;
  return { failure: reported.message, isStored: false };
}

/**
 * Checks that the name now refers to the content that was sent, and returns the loaded image.
 * @throws MlistError `ERR_MLIST_CONTENT_MISMATCH` if the name refers to other content, or does not exist
 */
async function verify(
  engine: Engine,
  { image, imageStore, archive: { root } }: Loading,
  options: ContentOptions,
): Promise<LoadedImage> {
  const reference = formatEngineLocation(image);
  const expected = imageStore === 'containerd' ? root.descriptor.digest : configOf(root);
  const found = await ignoreNotFound(engine.current(image, options));
  if (found !== undefined && found.id === expected) {
    const available = found.parts.filter(({ descriptor, isAvailable }) => isAvailable && !isAttestation(descriptor));
    const platforms = available.flatMap(({ descriptor: { platform } }) => platform ?? []);
    const isList = isIndexType(root.descriptor.mediaType);
    return { engine: engine.name, store: imageStore, id: found.id, platforms: isList ? platforms : [found.platform] };
  }
  const state =
    found === undefined ? 'has no image with this name' : `this name refers to ${found.id} instead of ${expected}`;
  const message = `${engine.name} reports that it has loaded ${reference}, but ${state}`;
  throw new MlistError('ERR_MLIST_CONTENT_MISMATCH', message, { reference });
}

function refused(
  engine: Engine,
  { image, imageStore, archive: { root } }: Loading,
  failure: string,
  isStored: boolean,
): MlistError {
  const reference = formatEngineLocation(image);
  const task = isStored ? `has loaded ${reference}, but cannot use it` : `cannot load ${reference}`;
  const name = nameOfImage(image.image);
  return new MlistError('ERR_MLIST_REGISTRY', `${engine.name} ${task}: ${failure}`, {
    reference,
    diagnostics: [{ code: '', message: failure }],
    hint: isStored
      ? `The name ${name} now refers to this image. Remove the image, or load a working one with the same name.`
      : hintFor(imageStore, root, failure),
  });
}

/**
 * Returns a hint for a failed load: the likely cause, or other locations to copy the image to. Returns undefined for
 * the containerd store.
 */
function hintFor(imageStore: ImageStore, root: ManifestContent, failure: string): string | undefined {
  if (imageStore === 'containerd') return undefined;
  if (/diff ?id|digest did not match/i.test(failure))
    return 'The layers of the image probably do not match the diff IDs in its config. Build or export the image again.';
  const others =
    'Copy the image to a registry, to oci-archive:FILE, or to a Docker engine with the containerd image store.';
  const { blobs } = childrenIn(readDocument(root.bytes), root.descriptor.mediaType);
  const isZstd = blobs.some(({ mediaType }) => mediaType.endsWith('+zstd'));
  return isZstd ? `The image has zstd-compressed layers, which older engines cannot read. ${others}` : others;
}

/** Returns the config digest of an image, which is its ID in the classic store and in podman. */
function configOf({ bytes, descriptor }: ManifestContent): Digest | undefined {
  return childrenIn(readDocument(bytes), descriptor.mediaType).blobs[0]?.digest;
}
