import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';

/**
 * Sends only the requests of `mlist create LIST IMAGE...` and `mlist push`, without login, retries or checks. This is the
 * minimum time for the given concurrency, in one process, or in two processes that pass the responses in a file. With https
 * it uses one connection of `node:http2`, and trusts only the authorities in the file that `BENCH_CA_FILE` names.
 *
 * Arguments: ORIGIN CONCURRENCY all|read|write FILE TARGET:TAG IMAGE:TAG...
 */
const [origin = '', concurrency = '32', step = 'all', file = '', list = '', ...images] = process.argv.slice(2);

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

interface Transport {
  send(method: string, path: string, headers: Headers, body?: Buffer): Promise<Answer>;
  close(): void;
}

type Headers = Readonly<Record<string, string>>;

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly bytes: Buffer;
}

async function overHttp1(): Promise<Transport> {
  const { Agent, request: send } = await import('node:http');
  const agent = new Agent({ keepAlive: true, maxSockets: Number(concurrency) });
  return {
    send: (method, path, headers, body) =>
      new Promise((resolve, reject) => {
        const request = send(`${origin}${path}`, { method, agent, headers });
        request.once('error', reject);
        request.once('response', (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.once('end', () => {
            const { statusCode = 0, headers: received } = response;
            resolve({ status: statusCode, headers: received, bytes: Buffer.concat(chunks) });
          });
        });
        request.end(body);
      }),
    close: () => agent.destroy(),
  };
}

async function overHttp2(): Promise<Transport> {
  const { connect } = await import('node:http2');
  const session = connect(origin, { ca: readFileSync(process.env['BENCH_CA_FILE'] ?? '') });
  return {
    send: (method, path, headers, body) =>
      new Promise((resolve, reject) => {
        const stream = session.request({ ...headers, ':method': method, ':path': path });
        stream.once('error', reject);
        stream.once('response', (received) => {
          const chunks: Buffer[] = [];
          stream.on('data', (chunk: Buffer) => chunks.push(chunk));
          stream.once('end', () =>
            resolve({ status: received[':status'] ?? 0, headers: received, bytes: Buffer.concat(chunks) }),
          );
        });
        stream.end(body);
      }),
    close: () => session.close(),
  };
}

const transport = await (origin.startsWith('https:') ? overHttp2() : overHttp1());

async function ask(method: string, path: string, headers: Headers = {}, body?: Buffer): Promise<Got> {
  const length = method === 'GET' || method === 'HEAD' ? {} : { 'content-length': String(body?.length ?? 0) };
  const {
    status,
    headers: received,
    bytes,
  } = await transport.send(method, `/v2/${path}`, { ...length, ...headers }, body);
  const isFine = status < 300 || (method === 'HEAD' && status === 404);
  if (!isFine) throw new Error(`${method} ${path}: ${status}`);
  return { digest: String(received['docker-content-digest'] ?? ''), bytes };
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
transport.close();
