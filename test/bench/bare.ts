import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, request as send } from 'node:http';

/**
 * Sends only the requests of `mlist create LIST IMAGE...` and `mlist push`, without login, retries or checks. This is the
 * minimum time for the given concurrency, in one process, or in two processes that pass the responses in a file.
 *
 * Arguments: HOST CONCURRENCY all|read|write FILE TARGET:TAG IMAGE:TAG...
 */
const [host = '', concurrency = '32', step = 'all', file = '', list = '', ...images] = process.argv.slice(2);
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

interface Image {
  readonly repository: string;
  readonly digest: string;
  /** Digest of the manifest. */
  readonly text: string;
  readonly platform: { readonly architecture: string; readonly os: string };
}

async function read(image: string): Promise<Image> {
  const [repository, name] = split(image);
  const { digest, bytes } = await ask('GET', `${repository}/manifests/${name}`, { accept });
  const text = bytes.toString();
  const { config } = JSON.parse(text) as Manifest;
  const { bytes: state } = await ask('GET', `${repository}/blobs/${config.digest}`);
  const { os, architecture } = JSON.parse(state.toString()) as Image['platform'];
  return { repository, digest, text, platform: { architecture, os } };
}

async function write(all: readonly Image[]): Promise<string> {
  const [to, tag] = split(list);
  await ask('HEAD', `${to}/manifests/${tag}`);
  const manifests = await Promise.all(
    all.map(async ({ repository, digest, text, platform }) => {
      const { mediaType, config, layers } = JSON.parse(text) as Manifest;
      const from = encodeURIComponent(repository);
      const mount = (blob: Blob) => ask('POST', `${to}/blobs/uploads/?mount=${blob.digest}&from=${from}`);
      await Promise.all([config, ...layers].map(mount));
      const bytes = Buffer.from(text);
      await ask('PUT', `${to}/manifests/${digest}`, { 'content-type': mediaType }, bytes);
      return { mediaType, digest, size: bytes.length, platform };
    }),
  );
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const document = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }));
  await ask('PUT', `${to}/manifests/${tag}`, { 'content-type': mediaType }, document);
  return `sha256:${createHash('sha256').update(document).digest('hex')}`;
}

const all =
  step === 'write' ? (JSON.parse(readFileSync(file, 'utf8')) as readonly Image[]) : await Promise.all(images.map(read));
if (step === 'read') writeFileSync(file, JSON.stringify(all));
else process.stdout.write(`${await write(all)}\n`);
agent.destroy();
