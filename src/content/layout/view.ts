import { MlistError } from '../../errors.ts';
import type { Content, ContentOptions, FetchOptions, Name } from '../../oci/content.ts';
import { bareDescriptor, type Descriptor } from '../../oci/descriptor.ts';
import { isDigestName, type Digest } from '../../oci/digest.ts';
import type { Identity } from './verified.ts';
import { tagOf, type Entries } from './entries.ts';
import type { ManifestGraph } from './graph.ts';

/** What a layout is made of, be it a folder or an archive. */
export interface LayoutParts {
  /** As people name it. */
  readonly location: string;
  readonly graph: ManifestGraph;
  entries(): Promise<Entries>;
  /** Length of a blob; undefined where there is none. */
  size(digest: Digest): Promise<number | undefined>;
  bytes(blob: Identity, signal?: AbortSignal): Promise<Uint8Array>;
}

/** Reading the manifests of a layout by what names them. */
export class LayoutView {
  readonly #parts: LayoutParts;

  constructor(parts: LayoutParts) {
    this.#parts = parts;
  }

  /** The entries of index.json in their order, with their annotations. */
  async entries(): Promise<readonly Descriptor[]> {
    return (await this.#parts.entries()).map(({ descriptor }) => descriptor);
  }

  async resolve(name: Name, { signal }: ContentOptions = {}): Promise<Descriptor> {
    signal?.throwIfAborted();
    const found = isDigestName(name) ? await this.named(name) : await this.#tagged(name);
    if (found !== undefined && (await this.#parts.size(found.digest)) !== undefined) return found;
    const reference = this.#reference(name);
    throw new MlistError('ERR_MLIST_NOT_FOUND', `${reference} does not exist`, { reference });
  }

  async fetchManifest(name: Name, { expected, signal }: FetchOptions = {}): Promise<Content> {
    const found = await this.resolve(name, { signal });
    if (expected !== undefined && (expected.digest !== found.digest || expected.size !== found.size)) {
      const reference = this.#reference(name);
      throw new MlistError(
        'ERR_MLIST_CONTENT_MISMATCH',
        `${reference} is ${found.digest} of ${found.size} bytes, not ${expected.digest} of ${expected.size}`,
        { reference },
      );
    }
    const bytes = await this.#parts.bytes(found, signal);
    return { descriptor: { ...found, mediaType: expected?.mediaType ?? found.mediaType }, bytes };
  }

  /** Those of the manifests that are not here. */
  async missing(digests: readonly Digest[]): Promise<readonly Digest[]> {
    const named = await this.#parts.graph.named(await this.entries(), digests);
    const sizes = await Promise.all([...named.keys()].map((digest) => this.#parts.size(digest)));
    const here = new Set([...named.values()].filter(({ size }, at) => sizes[at] === size).map(({ digest }) => digest));
    return digests.filter((digest) => !here.has(digest));
  }

  /** The tags in the order of index.json, each once. A layout of another tool may use any text as a tag. */
  async *tags({ signal }: ContentOptions = {}): AsyncGenerator<string> {
    signal?.throwIfAborted();
    yield* new Set((await this.#parts.entries()).map(tagOf).filter((tag) => tag !== undefined));
  }

  async referrers(digest: Digest, artifactType?: string): Promise<readonly Descriptor[]> {
    const all = await this.#parts.graph.referrers(await this.entries(), digest);
    return artifactType === undefined ? all : all.filter((descriptor) => descriptor.artifactType === artifactType);
  }

  async named(digest: Digest): Promise<Descriptor | undefined> {
    return (await this.#parts.graph.named(await this.entries(), [digest])).get(digest);
  }

  async #tagged(tag: string): Promise<Descriptor | undefined> {
    const { location } = this.#parts;
    const entries = (await this.#parts.entries()).filter((entry) => tagOf(entry) === tag);
    const found = new Map(entries.map(({ descriptor }) => [descriptor.digest, descriptor]));
    if (found.size > 1) {
      throw new MlistError('ERR_MLIST_AMBIGUOUS', `${this.#reference(tag)} names ${found.size} manifests`, {
        candidates: [...found.keys()].map((digest) => `${location}@${digest}`),
      });
    }
    const [descriptor] = found.values();
    return descriptor && bareDescriptor(descriptor);
  }

  #reference(name: Name): string {
    return this.#parts.location + (isDigestName(name) ? '@' : ':') + name;
  }
}
