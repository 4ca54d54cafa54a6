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

/** The image or list that an engine has under the target's name after it has loaded an archive. */
export interface LoadedImage {
  /** The name of the engine, such as `podman at unix:///run/podman/podman.sock`. */
  readonly engine: string;
  readonly store: ImageStore;
  /**
   * The engine's ID of the image: in the containerd store the digest of the list or manifest, else that of the config.
   */
  readonly id: Digest;
  /** The platforms of the images in the engine, as far as the engine states them. */
  readonly platforms: readonly Platform[];
}

export interface LoadOptions extends ContentOptions {
  readonly spool: Spool;
  readonly dryRun?: boolean | undefined;
  readonly waiting?: ReportPending | undefined;
  /**
   * Called when the archive is about to be sent. An interruption after this call may leave the new tag in the engine.
   */
  readonly onSend?: (() => void) | undefined;
  readonly onLoaded?: ((loaded: LoadedImage) => void) | undefined;
}

/**
 * Runs `work` with a target. If `work` succeeds, loads the written content into an engine, and verifies the content of
 * the engine afterwards. The engine names the image as its last step, so an earlier failure leaves its names unchanged.
 * @throws MlistError `ERR_MLIST_USAGE` if the location is not a name with a tag; `ERR_MLIST_REGISTRY` if the engine
 * cannot load the content; `ERR_MLIST_CONTENT_MISMATCH` if it has other content afterwards
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
  throw new MlistError('ERR_MLIST_USAGE', `cannot write ${reference}: it is not a name with a tag`, {
    reference,
    hint: `Name the image, such as ${image.kind}:team/app:1.0.`,
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
 * The failure that an error response states: podman answers with status 500 where Docker reports the error in a
 * response with status 200.
 */
function statedFailure(thrown: unknown): LoadAnswer {
  const { status = 0, diagnostics: [reported] = [] } = thrown instanceof MlistError ? thrown.facts : {};
  if (status < 500 || reported === undefined) throw thrown;
  return { failure: reported.message, isStored: false };
}

/** Compares the image in the engine with the content that was sent. */
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
    found === undefined ? 'it has no image of that name' : `the name has ${found.id} instead of ${expected}`;
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
      ? `The image has the name ${name} now. Remove it, or load a working image under that name.`
      : hintFor(imageStore, root, failure),
  });
}

/** Suggests where an image that an engine refuses can be stored instead. */
function hintFor(imageStore: ImageStore, root: ManifestContent, failure: string): string | undefined {
  if (imageStore === 'containerd') return undefined;
  if (/diff ?id|digest did not match/i.test(failure)) return 'The layers of the image do not agree with its config.';
  const others = 'A Docker engine with the containerd store, a registry or oci-archive:FILE can hold it.';
  const { blobs } = childrenIn(readDocument(root.bytes), root.descriptor.mediaType);
  const isZstd = blobs.some(({ mediaType }) => mediaType.endsWith('+zstd'));
  return isZstd ? `Its layers are compressed with zstd, which older engines cannot read. ${others}` : others;
}

/** The digest of the config, which the classic store and podman use as the ID. */
function configOf({ bytes, descriptor }: ManifestContent): Digest | undefined {
  return childrenIn(readDocument(bytes), descriptor.mediaType).blobs[0]?.digest;
}
