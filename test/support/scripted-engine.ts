import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { tarOf, type Member } from '../store/archive/tar-bytes.ts';
import { cleanup } from './cleanup.ts';
import { temporaryFolder } from './cli-harness.ts';
import { sha256, type Image } from './images.ts';

/**
 * A server on a Unix socket that answers as Docker 28 with the containerd store, Docker 20.10 with the classic store, or
 * podman 4.3. The shapes of its answers were recorded from these engines.
 */
export interface ScriptedEngine {
  /** For DOCKER_HOST or CONTAINER_HOST. */
  readonly host: string;
  /** The targets of all requests, without the version. */
  readonly requests: string[];
  /** The images by name or ID. Tests may change them. */
  readonly images: Map<string, EngineContent>;
  /** Answers the request instead of the engine. */
  fault: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  /** The archives that were loaded. */
  readonly loads: LoadedArchive[];
}

/** The files of an archive by name. */
export type LoadedArchive = ReadonlyMap<string, Buffer>;

export interface EngineContent {
  /** The answer to an inspect request. */
  readonly description: { readonly Id: string };
  readonly tar: (platform: string | undefined) => Buffer | undefined;
}

/** docker27: Docker 23 to 27 with the containerd store, which do not describe manifests. */
export type EngineShape = 'containerd' | 'docker27' | 'classic' | 'podman';

const versions = {
  containerd: { ApiVersion: '1.51', MinAPIVersion: '1.24', Components: [{ Name: 'Engine' }] },
  docker27: { ApiVersion: '1.47', MinAPIVersion: '1.24', Components: [{ Name: 'Engine' }] },
  classic: { ApiVersion: '1.41', MinAPIVersion: '1.12', Components: [{ Name: 'Engine' }] },
  podman: { ApiVersion: '1.41', MinAPIVersion: '1.24', Components: [{ Name: 'Podman Engine' }] },
};

export async function startEngine(
  shape: EngineShape,
  images: Readonly<Record<string, EngineContent>> = {},
  socket?: string,
): Promise<ScriptedEngine> {
  const path = socket ?? join(await temporaryFolder(), 'engine.sock');
  const engine: ScriptedEngine = {
    host: `unix://${path}`,
    requests: [],
    images: new Map(Object.entries(images)),
    fault: undefined,
    loads: [],
  };
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://engine');
    const target = url.pathname.replace(/^\/v\d+\.\d+/, '');
    engine.requests.push(target + url.search);
    if (engine.fault?.(request, response) === true) return;
    if (target === '/images/load') void loadArchive(engine, shape, request, response);
    else answer(engine, shape, target, url.searchParams, response);
  });
  server.listen(path);
  await once(server, 'listening');
  cleanup({
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
  return engine;
}

function answer(
  engine: ScriptedEngine,
  shape: EngineShape,
  target: string,
  query: URLSearchParams,
  response: ServerResponse,
): void {
  const find = (name: string) =>
    [...engine.images].find(
      ([key, { description }]) => familiar(key) === familiar(name) || description.Id === name,
    )?.[1];
  if (target === '/version') return json(response, 200, versions[shape]);
  if (target === '/info') {
    const isContainerd = shape === 'containerd' || shape === 'docker27';
    return json(response, 200, { DriverStatus: isContainerd ? containerdStatus : null });
  }
  if (target === '/images/json') return json(response, 200, [{ RepoTags: [...engine.images.keys()] }]);
  if (target === '/images/get') {
    const name = query.get('names') ?? '';
    const tar = find(name)?.tar(shape === 'containerd' ? (query.get('platform') ?? undefined) : undefined);
    if (tar === undefined) return noImage(response, shape, name);
    response.writeHead(200, { 'Content-Type': 'application/x-tar' }).end(tar);
    return undefined;
  }
  const [, name = ''] = /^\/images\/(.+)\/json$/.exec(target) ?? [];
  const found = find(name);
  return found === undefined ? noImage(response, shape, name) : json(response, 200, found.description);
}

/** Answers a load request as the engines do: the images of the archive can be inspected afterwards. */
async function loadArchive(
  engine: ScriptedEngine,
  shape: EngineShape,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer);
  } catch {
    return;
  }
  const archive = filesIn(Buffer.concat(chunks));
  engine.loads.push(archive);
  const [name, image] = shape === 'containerd' ? loadedRoot(archive) : loadedConfig(archive);
  engine.images.set(name, { description: image, tar: () => undefined });
  response.writeHead(200, { 'Content-Type': 'application/json' });
  response.end(`${JSON.stringify({ stream: `Loaded image: ${familiar(name)}\n` })}\r\n`);
}

function filesIn(tar: Buffer): LoadedArchive {
  const files = new Map<string, Buffer>();
  for (let at = 0; tar[at] !== undefined && tar[at] !== 0;) {
    const size = Number.parseInt(tar.toString('latin1', at + 124, at + 135), 8);
    const name = tar.toString('utf8', at, at + 100).replace(/\0.*$/s, '');
    files.set(name, tar.subarray(at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}

function documentIn<T>(archive: LoadedArchive, name: string): T {
  return JSON.parse(archive.get(name)?.toString() ?? 'null') as T;
}

interface LoadedDescriptor {
  readonly digest: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

function loadedRoot(archive: LoadedArchive): readonly [name: string, description: { readonly Id: string }] {
  const [entry] = documentIn<{ manifests: LoadedDescriptor[] }>(archive, 'index.json').manifests;
  if (entry === undefined) throw new Error('the archive is empty');
  const { annotations = {}, ...root } = entry;
  const file = `blobs/${root.digest.replace(':', '/')}`;
  const parts = documentIn<{ manifests?: LoadedDescriptor[] }>(archive, file).manifests ?? [];
  const description = {
    ...describeRoot(root),
    Manifests: parts.map((part) => ({ ID: part.digest, Descriptor: part, Available: true, Kind: 'image' })),
  };
  return [annotations['io.containerd.image.name'] ?? '', description];
}

function loadedConfig(archive: LoadedArchive): readonly [name: string, description: { readonly Id: string }] {
  const [item] = documentIn<{ Config: string; RepoTags: string[] }[]>(archive, 'manifest.json');
  const config = documentIn<{ os: string; architecture: string }>(archive, item?.Config ?? '');
  const Id = sha256(archive.get(item?.Config ?? '') ?? Buffer.alloc(0));
  const description = { Id, Os: config.os, Architecture: config.architecture };
  return [item?.RepoTags[0] ?? '', description];
}

/** What the containerd store states about an image or index, apart from its manifests. */
function describeRoot<T extends { readonly digest: string }>(root: T) {
  const RootFS = { Type: 'layers', Layers: [] };
  return { Id: root.digest, Architecture: 'amd64', Os: 'linux', RootFS, Descriptor: root };
}

const containerdStatus = [['driver-type', 'io.containerd.snapshotter.v1']];

function familiar(name: string): string {
  return name.replace(/^docker\.io\/(?:library\/)?/, '').replace(/:latest$/, '');
}

function noImage(response: ServerResponse, shape: EngineShape, name: string): void {
  const message = `No such image: ${name}`;
  json(response, 404, shape === 'podman' ? { cause: 'image not known', message, response: 404 } : { message });
}

export function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
}

/**
 * An index in a containerd store; images that are not available are listed, but have no content.
 * @param source - the annotations of an export, which name where the content was pulled from
 */
export function containerdIndex(
  parts: readonly (Image & { readonly platform: string; readonly isMissing?: boolean })[],
  source?: Readonly<Record<string, string>>,
) {
  const manifests = parts.map(({ mediaType, digest, bytes, platform }) => {
    const [os = '', architecture = '', variant] = platform.split('/');
    return { mediaType, digest, size: bytes.length, platform: { architecture, os, ...(variant && { variant }) } };
  });
  const index = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests }),
  );
  const root = { mediaType: 'application/vnd.oci.image.index.v1+json', digest: sha256(index), size: index.length };
  const there = parts.filter(({ isMissing }) => isMissing !== true);
  const description = {
    ...describeRoot(root),
    Manifests: parts.map(({ digest, blobs, isMissing = false }, at) => ({
      ID: digest,
      Descriptor: manifests[at],
      Available: !isMissing,
      Size: { Content: isMissing ? 0 : blobs.reduce((sum, blob) => sum + blob.length, 0), Total: 0 },
      Kind: 'image',
    })),
  };
  const tar = (platform: string | undefined): Buffer | undefined => {
    const annotations = source === undefined ? {} : { annotations: source };
    if (platform === undefined) return layoutTar([{ ...root, ...annotations }], [index, ...there.flatMap(contentOf)]);
    const at = manifests.findIndex((one) => JSON.stringify(one.platform) === platform);
    const part = parts[at];
    return part === undefined || part.isMissing === true ? undefined : layoutTar([manifests[at]], contentOf(part));
  };
  return { description, tar, digest: root.digest, bytes: index } satisfies EngineContent & {
    readonly digest: string;
    readonly bytes: Buffer;
  };
}

/** A single image in a containerd store. */
export function containerdImage(image: Image) {
  const root = { mediaType: image.mediaType, digest: image.digest, size: image.bytes.length };
  const annotations = { 'config.digest': sha256(image.blobs[0] ?? Buffer.alloc(0)) };
  const description = describeRoot({ ...root, annotations });
  return { description, tar: () => layoutTar([root], contentOf(image)) } satisfies EngineContent;
}

function contentOf({ bytes, blobs }: Image): readonly Buffer[] {
  return [bytes, ...blobs];
}

function layoutTar(entries: readonly unknown[], contents: readonly Buffer[]): Buffer {
  const blobs = new Map(contents.map((bytes) => [`blobs/sha256/${sha256(bytes).slice(7)}`, bytes]));
  return tarOf(
    ...[...blobs].map(([name, content]): Member => ({ name, content })),
    { name: 'index.json', content: JSON.stringify({ schemaVersion: 2, manifests: entries }) },
    { name: 'oci-layout', content: '{"imageLayoutVersion":"1.0.0"}' },
  );
}

export interface SavedOptions {
  readonly architecture?: string;
  readonly variant?: string;
  /** The contents of the uncompressed layers. */
  readonly layers?: readonly Buffer[];
  /** Whether inspect states the variant, as the classic store does and podman does not. */
  readonly statesVariant?: boolean;
}

/** An image of a classic store or of podman, which has a config and uncompressed layers. */
export function savedImage(name: string, options: SavedOptions = {}) {
  const { architecture = 'amd64', variant, layers = [Buffer.alloc(1024, name)], statesVariant = true } = options;
  const diffIds = layers.map(sha256);
  const config = Buffer.from(
    JSON.stringify({ architecture, os: 'linux', variant, config: {}, rootfs: { type: 'layers', diff_ids: diffIds } }),
  );
  const id = sha256(config);
  const description = {
    Id: id,
    Architecture: architecture,
    ...(statesVariant && variant !== undefined ? { Variant: variant } : {}),
    Os: 'linux',
    RepoTags: [name],
    RepoDigests: [],
    RootFS: { Type: 'layers', Layers: diffIds },
    GraphDriver: { Data: null, Name: 'vfs' },
  };
  const files = layers.map((content, at): Member => ({ name: `layer-${at}/layer.tar`, content }));
  const manifest = [{ Config: `${id.slice(7)}.json`, RepoTags: [name], Layers: files.map((file) => file.name) }];
  const tar = tarOf(
    ...files,
    { name: `${id.slice(7)}.json`, content: config },
    {
      name: 'manifest.json',
      content: JSON.stringify(manifest),
    },
  );
  return { description, id, config, tar: () => tar } satisfies EngineContent & {
    readonly id: string;
    readonly config: Buffer;
  };
}
