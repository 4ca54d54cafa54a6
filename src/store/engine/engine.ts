import { getOrCreate } from '../../async/single-flight.ts';
import { errorCode, MlistError } from '../../errors/errors.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import { isJsonObject, type Json } from '../../json/json.ts';
import { nameOfImage, type EngineLocation } from '../../oci/engine-location.ts';
import { formatLocation } from '../../oci/location.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import { familiarReference, formatReference } from '../../oci/reference.ts';
import type { ContentOptions } from '../store.ts';
import type { EngineClient } from './engine-client.ts';
import { nameOf, type EngineStep } from './engine-error.ts';
import { parseEngineImage, type EngineImage } from './engine-image.ts';
import type { RequestBody } from './request-body.ts';

/** The newest version of the Docker Engine API that mlist supports. */
const KNOWN_API = [1, 51] as const;
/** The first API version that describes the manifests of an image. */
const MANIFESTS_API = [1, 48] as const;
/** The API version of Docker 23, the first release that can use the containerd store. */
const CONTAINERD_API = [1, 42] as const;

/** An export may take long to begin: the classic store and podman write the whole image to their disk first. */
const EXPORT_WAIT_MS = 15 * 60 * 1000;

/** A load may take long to finish: engines unpack the layers after they have received them, and send no progress. */
const LOAD_WAIT_MS = 60 * 60 * 1000;

/** The image store of an engine: one of Docker's two, or podman's. Only the containerd store can hold lists. */
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
   * Describes an image. The result is cached.
   * @throws MlistError `ERR_MLIST_NOT_FOUND` if the engine does not have the image; `ERR_MLIST_CONTENT_MISMATCH` if it
   * returns a different image; and the errors of `EngineClient.json`
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
      // podman tags the images that it builds as localhost/NAME, and also resolves short names to these images.
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
    throw new MlistError('ERR_MLIST_REGISTRY', `${this.name} sent an invalid description of ${reference}`, {
      reference,
    });
  }

  /**
   * Exports an image as a tar stream. The stream fails if the connection ends before the archive is complete.
   */
  async *export(image: EngineImage, reference: string, options: ExportOptions = {}): AsyncGenerator<Uint8Array> {
    const { platform, signal } = options;
    const { api } = await this.#negotiate(reference);
    const choice = platform === undefined ? {} : { platform: JSON.stringify(platform) };
    const query = { names: image.id, ...choice };
    const step = { what: 'export', reference };
    yield* this.#client.stream({ step, path: `${prefix(api)}/images/get`, query, waitMs: EXPORT_WAIT_MS, signal });
  }

  /**
   * Determines which image store the engine has.
   * @param reference - the location, or the name of the engine, for error messages
   */
  async imageStore(reference: string): Promise<ImageStore> {
    const { api, isPodman, hidesManifests } = await this.#negotiate(reference);
    if (isPodman) return 'podman';
    if (hidesManifests) return 'containerd';
    // With an API older than MANIFESTS_API, `hidesManifests` is true for every containerd store.
    const isContainerd = isAtLeast(api, MANIFESTS_API) && (await this.#hasContainerdStore(api, reference));
    return isContainerd ? 'containerd' : 'classic';
  }

  /**
   * Describes the image to which the location's name currently refers. Unlike `inspect`, does not use the cache, look
   * up `localhost/NAME` in podman, or check the digest.
   * @throws MlistError `ERR_MLIST_NOT_FOUND` if there is no such image, and the errors of `EngineClient.json`
   */
  current(location: EngineLocation, options: ContentOptions = {}): Promise<EngineImage> {
    return this.#describe(nameOfImage(location.image), formatLocation(location), options);
  }

  /** Sends an archive to the engine, and streams the response. Clears the cache of `inspect`. */
  async *load(archive: RequestBody, reference: string, { signal }: ContentOptions = {}): AsyncGenerator<Uint8Array> {
    const { api } = await this.#negotiate(reference);
    const request = { step: { what: 'load', reference }, path: `${prefix(api)}/images/load`, query: { quiet: '1' } };
    this.#images.clear();
    yield* this.#client.stream({ ...request, body: archive, waitMs: LOAD_WAIT_MS, signal });
  }

  /** Returns the names of all tagged images (`RepoTags`). */
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

  /**
   * Selects the newest API version that both sides support, or else the engine's oldest, and uses it to read the facts
   * about the engine.
   */
  async #readFacts(reference: string): Promise<EngineFacts> {
    const step = { what: reference === this.name ? 'connect to' : 'connect to the engine for', reference };
    const value = await this.#client.json({ step, path: '/version' }).catch((thrown: unknown) => {
      // Every container engine has this path, so this server is not an engine.
      throw errorCode(thrown) === 'ERR_MLIST_NOT_FOUND' ? this.#notAnEngine(step, ' (HTTP 404)') : thrown;
    });
    const answer = isJsonObject(value) ? value : {};
    const newest = versionOf(answer['ApiVersion']);
    if (newest === undefined) throw this.#notAnEngine(step);
    const oldest = versionOf(answer['MinAPIVersion']) ?? newest;
    const known = isAtLeast(newest, KNOWN_API) ? KNOWN_API : newest;
    const api = isAtLeast(known, oldest) ? known : oldest;
    const isBetween = isAtLeast(api, CONTAINERD_API) && !isAtLeast(api, MANIFESTS_API);
    const hidesManifests = isBetween && (await this.#hasContainerdStore(api, reference));
    return { api, isPodman: isPodman(answer['Components']), hidesManifests };
  }

  #notAnEngine({ what, reference }: EngineStep, detail = ''): MlistError {
    const message = `cannot ${what} ${reference}: ${this.name} did not respond like a container engine${detail}`;
    return new MlistError('ERR_MLIST_REGISTRY', message, { reference });
  }

  async #hasContainerdStore(api: ApiVersion, reference: string): Promise<boolean> {
    const step = { what: 'determine the image store of the engine for', reference };
    const value = await this.#client.json({ step, path: `${prefix(api)}/info` });
    const status = isJsonObject(value) ? value['DriverStatus'] : undefined;
    return JSON.stringify(status ?? []).includes('"io.containerd.snapshotter.v1"');
  }
}

export interface ExportOptions extends ContentOptions {
  /** Export only the image for this platform. Engines that do not support this export all platforms. */
  readonly platform?: Platform | undefined;
}

/** Whether the engine is podman. DOCKER_HOST may refer to podman, because podman also serves Docker's API. */
function isPodman(components: Json | undefined): boolean {
  const named = Array.isArray(components) ? (components as readonly Json[]).filter(isJsonObject) : [];
  return named.some(({ Name }) => Name === 'Podman Engine');
}

/**
 * Checks that the engine has returned the image with the requested ID or digest, and returns the image. A requested
 * manifest digest is not checked if the engine keeps no manifests.
 * @throws MlistError `ERR_MLIST_CONTENT_MISMATCH` if the engine has returned a different image
 */
function checkDigest(found: EngineImage, image: EngineLocation['image'], reference: string): EngineImage {
  const [named, actual] = typeof image === 'string' ? [image, found.id] : [image.digest, found.root?.digest];
  if (named === undefined || actual === undefined || actual === named) return found;
  const message = `the engine returned a different image for ${reference}: ${actual}`;
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
