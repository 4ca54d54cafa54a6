import { getOrCreate } from '../../async/single-flight.ts';
import { MlistError } from '../../errors/errors.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import { isJsonObject, type Json } from '../../json/json.ts';
import { nameOfImage, type EngineLocation } from '../../oci/engine-location.ts';
import { formatLocation } from '../../oci/location.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import { familiarReference, formatReference } from '../../oci/reference.ts';
import type { ContentOptions } from '../store.ts';
import type { EngineClient } from './engine-client.ts';
import { nameOf } from './engine-error.ts';
import { parseEngineImage, type EngineImage } from './engine-image.ts';
import type { RequestBody } from './request-body.ts';

/** The newest version of Docker's API that mlist supports. */
const KNOWN_API = [1, 51] as const;
/** The first version that describes the manifests of an image. */
const MANIFESTS_API = [1, 48] as const;
/** The version of Docker 23, the first one that can use the containerd store. */
const CONTAINERD_API = [1, 42] as const;

/** An export may take long to begin: the classic store and podman write the whole image to their disk first. */
const EXPORT_WAIT_MS = 15 * 60 * 1000;

/** Engines unpack the layers of an image after they have received it, and report nothing in the meantime. */
const LOAD_WAIT_MS = 60 * 60 * 1000;

/** The image store of Docker, or podman. Only the containerd store holds lists. */
export type ImageStore = 'containerd' | 'classic' | 'podman';

type ApiVersion = readonly [number, number];

interface EngineFacts {
  readonly api: ApiVersion;
  readonly isPodman: boolean;
  /** Whether the engine has the containerd store, but is too old to describe its manifests. */
  readonly hidesManifests: boolean;
}

/** Describes, exports and loads the images of one container engine. */
export class Engine {
  readonly #client: EngineClient;
  #facts: Promise<EngineFacts> | undefined;
  readonly #images = new Map<string, Promise<EngineImage>>();

  constructor(client: EngineClient) {
    this.#client = client;
  }

  /** The name of the engine in messages, such as `the Docker engine at unix:///var/run/docker.sock`. */
  get name(): string {
    return nameOf(this.#client.address);
  }

  /**
   * Describes an image. Each image is looked up once.
   * @throws MlistError `ERR_MLIST_NOT_FOUND`, and the errors of the client
   */
  inspect(location: EngineLocation, options: ContentOptions = {}): Promise<EngineImage> {
    const key = nameOfImage(location.image);
    return getOrCreate(this.#images, key, () => {
      const found = this.#inspect(location, options);
      found.catch(() => this.#images.delete(key));
      return found;
    });
  }

  async #inspect(location: EngineLocation, options: ContentOptions): Promise<EngineImage> {
    const { image } = location;
    const reference = formatLocation(location);
    if (location.kind === 'podman' && typeof image !== 'string' && image.domain === 'docker.io') {
      const found = await ignoreNotFound(this.#describe(formatReference(image), reference, options));
      // podman stores images that it builds under localhost/, and looks there for short names.
      const name = `localhost/${familiarReference(image)}`;
      return checkDigest(found ?? (await this.#describe(name, reference, options)), image, reference);
    }
    return checkDigest(await this.#describe(nameOfImage(image), reference, options), image, reference);
  }

  async #describe(name: string, reference: string, { signal }: ContentOptions): Promise<EngineImage> {
    const { api, hidesManifests } = await this.#negotiate(reference);
    const query = isAtLeast(api, MANIFESTS_API) ? { manifests: '1' } : undefined;
    const step = { what: 'find', reference };
    const value = await this.#client.json({ step, path: `${prefix(api)}/images/${name}/json`, query, signal });
    const image = parseEngineImage(value, hidesManifests);
    if (image !== undefined) return image;
    throw new MlistError('ERR_MLIST_REGISTRY', `${this.name} describes ${reference} in an unknown format`, {
      reference,
    });
  }

  /**
   * Streams a tar archive of an image. The stream fails if the connection ends before the archive is complete.
   * @param platform - export only the image for this platform; ignored by engines that cannot choose
   */
  async *export(image: EngineImage, reference: string, options: ExportOptions = {}): AsyncGenerator<Uint8Array> {
    const { platform, signal } = options;
    const { api } = await this.#negotiate(reference);
    const choice = platform === undefined ? {} : { platform: JSON.stringify(platform) };
    const query = { names: image.id, ...choice };
    const step = { what: 'export', reference };
    yield* this.#client.stream({ step, path: `${prefix(api)}/images/get`, query, waitMs: EXPORT_WAIT_MS, signal });
  }

  /** The kind of image store of the engine, which determines whether it can hold lists. */
  async imageStore(reference: string): Promise<ImageStore> {
    const { api, isPodman, hidesManifests } = await this.#negotiate(reference);
    if (isPodman) return 'podman';
    if (hidesManifests) return 'containerd';
    // An older engine with the containerd store has `hidesManifests`, which was checked above.
    const isContainerd = isAtLeast(api, MANIFESTS_API) && (await this.#hasContainerdStore(api, reference));
    return isContainerd ? 'containerd' : 'classic';
  }

  /**
   * Describes the image that has exactly this name now, without a cached result.
   * @throws MlistError `ERR_MLIST_NOT_FOUND`, and the errors of the client
   */
  current(location: EngineLocation, options: ContentOptions = {}): Promise<EngineImage> {
    return this.#describe(nameOfImage(location.image), formatLocation(location), options);
  }

  /** Sends an archive to the engine, and streams its response. */
  async *load(archive: RequestBody, reference: string, { signal }: ContentOptions = {}): AsyncGenerator<Uint8Array> {
    const { api } = await this.#negotiate(reference);
    const request = { step: { what: 'load', reference }, path: `${prefix(api)}/images/load`, query: { quiet: '1' } };
    this.#images.clear();
    yield* this.#client.stream({ ...request, body: archive, waitMs: LOAD_WAIT_MS, signal });
  }

  /** The names of all images. */
  async names({ signal }: ContentOptions = {}): Promise<readonly string[]> {
    const step = { what: 'list the images of', reference: this.name };
    const { api } = await this.#negotiate(this.name);
    const value = await this.#client.json({ step, path: `${prefix(api)}/images/json`, signal });
    const images = Array.isArray(value) ? (value as readonly Json[]).filter(isJsonObject) : [];
    return images.flatMap(({ RepoTags }) =>
      Array.isArray(RepoTags) ? (RepoTags as readonly Json[]).filter((tag) => typeof tag === 'string') : [],
    );
  }

  #negotiate(reference: string): Promise<EngineFacts> {
    this.#facts ??= this.#readFacts(reference).catch((thrown: unknown) => {
      this.#facts = undefined;
      throw thrown;
    });
    return this.#facts;
  }

  /** Reads the facts of the engine, with the newest version of the API that both sides support. */
  async #readFacts(reference: string): Promise<EngineFacts> {
    const step = { what: 'reach the engine for', reference };
    const value = await this.#client.json({ step, path: '/version' });
    const answer = isJsonObject(value) ? value : {};
    const newest = versionOf(answer['ApiVersion']);
    if (newest === undefined)
      throw new MlistError('ERR_MLIST_REGISTRY', `${this.name} does not respond like a container engine`);
    const oldest = versionOf(answer['MinAPIVersion']) ?? newest;
    const known = isAtLeast(newest, KNOWN_API) ? KNOWN_API : newest;
    const api = isAtLeast(known, oldest) ? known : oldest;
    const isBetween = isAtLeast(api, CONTAINERD_API) && !isAtLeast(api, MANIFESTS_API);
    const hidesManifests = isBetween && (await this.#hasContainerdStore(api, reference));
    return { api, isPodman: isPodman(answer['Components']), hidesManifests };
  }

  async #hasContainerdStore(api: ApiVersion, reference: string): Promise<boolean> {
    const step = { what: 'read the image store of the engine for', reference };
    const value = await this.#client.json({ step, path: `${prefix(api)}/info` });
    const status = isJsonObject(value) ? value['DriverStatus'] : undefined;
    return JSON.stringify(status ?? []).includes('"io.containerd.snapshotter.v1"');
  }
}

export interface ExportOptions extends ContentOptions {
  readonly platform?: Platform | undefined;
}

/** Whether the engine is podman, which also serves Docker's API, possibly at the address in DOCKER_HOST. */
function isPodman(components: Json | undefined): boolean {
  const named = Array.isArray(components) ? (components as readonly Json[]).filter(isJsonObject) : [];
  return named.some(({ Name }) => Name === 'Podman Engine');
}

/**
 * Checks that an image has the ID or digest by which it is named. An engine without manifests does not store the digest
 * with which an image was pulled, so the digest is not checked there.
 */
function checkDigest(found: EngineImage, image: EngineLocation['image'], reference: string): EngineImage {
  const [named, actual] = typeof image === 'string' ? [image, found.id] : [image.digest, found.root?.digest];
  if (named === undefined || actual === undefined || actual === named) return found;
  const message = `the engine returns another image for ${reference}: ${actual}`;
  throw new MlistError('ERR_MLIST_CONTENT_MISMATCH', message, { reference });
}

function prefix([major, minor]: ApiVersion): string {
  return `/v${major}.${minor}`;
}

function versionOf(value: Json | undefined): ApiVersion | undefined {
  const [, major, minor] = typeof value === 'string' ? (/^(\d{1,4})\.(\d{1,4})$/.exec(value) ?? []) : [];
  return major === undefined || minor === undefined ? undefined : [Number(major), Number(minor)];
}

function isAtLeast([major, minor]: ApiVersion, [wantedMajor, wantedMinor]: ApiVersion): boolean {
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}
