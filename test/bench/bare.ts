import { createHash } from 'node:crypto';
import { Agent, request as send } from 'node:http';

/**
 * What `mlist create LIST IMAGE...` and `mlist push` ask of a registry, and nothing else: no login, no retries, no
 * checks, no files. The time that cannot be gone below, with so many requests at once.
 *
 * Arguments: HOST CONCURRENCY TARGET:TAG IMAGE:TAG...
 */
const [host = '', concurrency = '32', list = '', ...images] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: Number(concurrency) });

interface Got {
  readonly digest: string;
  readonly bytes: Buffer;
}

interface Blob {
  readonly digest: string;
}

interface Manifest {
  readonly mediaType: string;
  readonly config: Blob;
  readonly layers: readonly Blob[];
}

function ask(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body?: Buffer,
): Promise<Got> {
  const length = method === 'GET' || method === 'HEAD' ? {} : { 'content-length': String(body?.length ?? 0) };
  return new Promise((resolve, reject) => {
    const request = send(`http://${host}/v2/${path}`, { method, agent, headers: { ...length, ...headers } });
    request.once('error', reject);
    request.once('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('end', () => {
        const digest = String(response.headers['docker-content-digest'] ?? '');
        const { statusCode = 0 } = response;
        const isFine = statusCode < 300 || (method === 'HEAD' && statusCode === 404);
        if (isFine) resolve({ digest, bytes: Buffer.concat(chunks) });
        else reject(new Error(`${method} ${path}: ${statusCode}`));
      });
    });
    request.end(body);
  });
}

function split(name: string): readonly [string, string] {
  const colon = name.lastIndexOf(':');
  return [name.slice(0, colon), name.slice(colon + 1)];
}

const accept = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');
const [to, tag] = split(list);
const read = await Promise.all(
  images.map(async (image) => {
    const [repository, name] = split(image);
    const { digest, bytes } = await ask('GET', `${repository}/manifests/${name}`, { accept });
    const manifest = JSON.parse(bytes.toString()) as Manifest;
    const config = await ask('GET', `${repository}/blobs/${manifest.config.digest}`);
    const { os, architecture } = JSON.parse(config.bytes.toString()) as { os: string; architecture: string };
    return { repository, digest, bytes, manifest, platform: { architecture, os } };
  }),
);
await ask('HEAD', `${to}/manifests/${tag}`);
await Promise.all(
  read.map(async ({ repository, digest, bytes, manifest }) => {
    const from = encodeURIComponent(repository);
    const blobs = [manifest.config, ...manifest.layers];
    await Promise.all(blobs.map((blob) => ask('POST', `${to}/blobs/uploads/?mount=${blob.digest}&from=${from}`)));
    await ask('PUT', `${to}/manifests/${digest}`, { 'content-type': manifest.mediaType }, bytes);
  }),
);
const mediaType = 'application/vnd.oci.image.index.v1+json';
const manifests = read.map(({ digest, bytes, manifest, platform }) => ({
  mediaType: manifest.mediaType,
  digest,
  size: bytes.length,
  platform,
}));
const document = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }));
await ask('PUT', `${to}/manifests/${tag}`, { 'content-type': mediaType }, document);
process.stdout.write(`sha256:${createHash('sha256').update(document).digest('hex')}\n`);
agent.destroy();
