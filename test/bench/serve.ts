import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { digestOf, Digester, type Digest } from '../../src/oci/digest.ts';
import { MediaType } from '../../src/oci/media-type.ts';
import { programPath, startDockerRegistry, type Registry } from '../support/docker-registry.ts';
import { programCommand } from '../support/mlist.ts';
import { cpuOf, Peak } from './command.ts';
import type { BenchContext } from './main.ts';
import { median, print, turned } from './measure.ts';

const CLIENTS = 32;
const PUSHES = Number(process.env['MLIST_BENCH_PUSHES'] ?? 2000);
const SLICES = 8;
const PUTS = 200;
const MIB = 1024 * 1024;
const LAYER_MIB = 400;
const BLOB_ROUNDS = 3;

/** `mlist serve --dir` compared with docker-registry: many pushes, many tags, and a large blob. */
export async function benchServe({ root, folder }: BenchContext, only: readonly string[]): Promise<void> {
  const parts = { pushes, tags, blob };
  for (const [name, part] of Object.entries(parts)) {
    if (only.length > 0 && !only.includes(name)) continue;
    const starts: Record<string, () => Promise<Registry>> = { mlist: () => startMlistServe(root, folder) };
    if (programPath('docker-registry') !== undefined) starts['docker-registry'] = () => startDockerRegistry();
    await part(starts);
  }
}

type Starts = Readonly<Record<string, () => Promise<Registry>>>;

async function startMlistServe(root: string, folder: string): Promise<Registry> {
  const dir = await mkdtemp(join(folder, 'served-'));
  const [program, ...args] = programCommand(root);
  const child = spawn(program, [...args, 'serve', '--addr', '127.0.0.1:0', '--dir', dir], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const url = line.toString().trim();
  const close = async (): Promise<void> => {
    child.kill();
    await once(child, 'exit');
    await rm(dir, { recursive: true, force: true });
  };
  return { url, host: new URL(url).host, folder: dir, pid: child.pid, close };
}

/** 2,000 pushes of an image with a layer of its own into one repository by 32 clients, to both registries in turn. */
async function pushes(starts: Starts): Promise<void> {
  print(`\n## ${PUSHES} pushes into one repository by ${CLIENTS} clients   aim: not slower than docker-registry`);
  const running = await startAll(starts);
  const rates = new Map<string, number[]>(running.map(([name]) => [name, []]));
  const peaks = new Map(running.map(([name, registry]) => [name, new Peak(registry.pid)]));
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  for (let slice = 0; slice < SLICES; slice += 1) {
    for (const [name, { url }] of turned(running, slice)) {
      let next = 0;
      const count = PUSHES / SLICES;
      const client = async (): Promise<void> => {
        while (next < count) await pushImage(url, `${slice}-${(next += 1)}`, agent);
      };
      const started = performance.now();
      await Promise.all(Array.from({ length: CLIENTS }, client));
      rates.get(name)?.push(count / ((performance.now() - started) / 1000));
    }
  }
  for (const [name, each] of rates) {
    print(`   ${name}: ${rounded(each)} pushes per second, peak ${mib(peaks.get(name))} MiB`);
  }
  printRatio(rates);
  agent.destroy();
  await closeAll(running, peaks);
}

/** The cost of putting a manifest under a new tag, into repositories that already have many tags. */
async function tags(starts: Starts): Promise<void> {
  print(`\n## CPU time of a put into a repository with many tags, in ms   aim: constant`);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (const count of [100, 1000, 20_000]) {
    const costs: string[] = [];
    for (const [name, registry] of await startAll(starts)) {
      await pushImage(registry.url, 'first', agent);
      await addTags(name, registry, count);
      // A file that has just been written by another process is read again for a second.
      await sleep(1500);
      await pushImage(registry.url, 'second', agent);
      const before = await cpuOf(registry.pid);
      for (let at = 0; at < PUTS; at += 1) await putManifest(registry.url, `put-${at}`, 'first', agent);
      const milliseconds = (await cpuOf(registry.pid)) - before;
      costs.push(`${name} ${(milliseconds / PUTS).toFixed(1)}`);
      await registry.close();
    }
    print(`   ${count} tags: ${costs.join(', ')}`);
  }
  agent.destroy();
}

/** Adds tags of the first image to the files of a registry, because pushing them would take minutes. */
async function addTags(name: string, { folder = '' }: Registry, count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, at) => `tag-${at}`);
  if (name === 'mlist') {
    const path = join(folder, 'app', 'index.json');
    const index = JSON.parse(await readFile(path, 'utf8')) as { manifests: { annotations?: object }[] };
    const [first] = index.manifests;
    const manifests = names.map((tag) => ({ ...first, annotations: { 'org.opencontainers.image.ref.name': tag } }));
    await writeFile(path, JSON.stringify({ ...index, manifests: [...index.manifests, ...manifests] }));
    return;
  }
  const tagFolder = join(folder, 'docker/registry/v2/repositories/app/_manifests/tags');
  const link = await readFile(join(tagFolder, 'first/current/link'), 'utf8');
  for (const tag of names) {
    const own = join(tagFolder, tag, 'index/sha256', link.replace('sha256:', ''));
    await mkdir(own, { recursive: true });
    await mkdir(join(tagFolder, tag, 'current'));
    await writeFile(join(own, 'link'), link);
    await writeFile(join(tagFolder, tag, 'current/link'), link);
  }
}

/** A large blob each way, and the peak memory of the registry. */
async function blob(starts: Starts): Promise<void> {
  print(`\n## a blob of ${LAYER_MIB} MiB   aim: not slower than docker-registry`);
  const running = await startAll(starts);
  const agent = new Agent({ keepAlive: true });
  const peaks = new Map(running.map(([name, registry]) => [name, new Peak(registry.pid)]));
  const seconds = { push: new Map<string, number[]>(), pull: new Map<string, number[]>() };
  for (let round = 0; round < BLOB_ROUNDS; round += 1) {
    const digester = new Digester();
    for (const chunk of layer(round)) digester.update(chunk);
    const digest = digester.digest();
    for (const [name, { url }] of turned(running, round)) {
      for (const [way, work] of [
        ['push', () => pushLayer(url, digest, round, agent)],
        ['pull', () => send(agent, 'GET', `${url}/v2/app/blobs/${digest}`)],
      ] as const) {
        const started = performance.now();
        await work();
        const own = seconds[way].get(name) ?? [];
        seconds[way].set(name, [...own, (performance.now() - started) / 1000]);
      }
    }
  }
  for (const [way, all] of Object.entries(seconds)) {
    for (const [name, each] of all) print(`   ${way}, ${name}: ${rounded(each)} s, peak ${mib(peaks.get(name))} MiB`);
    printRatio(new Map([...all].reverse()));
  }
  agent.destroy();
  await closeAll(running, peaks);
}

function* layer(seed: number): Generator<Buffer> {
  const chunk = Buffer.alloc(MIB, `layer ${seed}`);
  for (let at = 0; at < LAYER_MIB; at += 1) {
    chunk.writeUInt32LE(at, 0);
    yield Buffer.from(chunk);
  }
}

async function pushLayer(url: string, digest: Digest, seed: number, agent: Agent): Promise<void> {
  const location = (await send(agent, 'POST', `${url}/v2/app/blobs/uploads/`)).location;
  const target = new URL(location, url);
  target.searchParams.set('digest', digest);
  await send(agent, 'PUT', target.href, { body: Readable.from(layer(seed)), length: LAYER_MIB * MIB });
}

/** As clients do: asks for the blobs, uploads them in two requests each, and puts the manifest. */
async function pushImage(url: string, tag: string, agent: Agent): Promise<void> {
  for (const bytes of [configOf(tag), Buffer.from(`layer of ${tag}`)]) {
    const digest = digestOf(bytes);
    await send(agent, 'HEAD', `${url}/v2/app/blobs/${digest}`);
    const { location } = await send(agent, 'POST', `${url}/v2/app/blobs/uploads/`);
    const target = new URL(location, url);
    target.searchParams.set('digest', digest);
    await send(agent, 'PUT', target.href, { body: bytes });
  }
  await putManifest(url, tag, tag, agent);
}

function configOf(tag: string): Buffer {
  return Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', tag }));
}

/** @param image - the tag whose blobs the manifest has */
async function putManifest(url: string, tag: string, image: string, agent: Agent): Promise<void> {
  const descriptor = (mediaType: string, bytes: Buffer) => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.length,
  });
  const manifest = {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: descriptor('application/vnd.oci.image.config.v1+json', configOf(image)),
    layers: [descriptor('application/vnd.oci.image.layer.v1.tar+gzip', Buffer.from(`layer of ${image}`))],
    annotations: { tag },
  };
  const body = Buffer.from(JSON.stringify(manifest));
  await send(agent, 'PUT', `${url}/v2/app/manifests/${tag}`, { body, type: MediaType.ociManifest });
}

interface Sending {
  readonly body?: Buffer | Readable;
  readonly length?: number;
  readonly type?: string;
}

function send(
  agent: Agent,
  method: string,
  url: string,
  { body, length, type = 'application/octet-stream' }: Sending = {},
): Promise<{ readonly location: string }> {
  return new Promise((resolve, reject) => {
    const size = length ?? (body instanceof Buffer ? body.length : 0);
    const headers = method === 'GET' || method === 'HEAD' ? {} : { 'content-type': type, 'content-length': size };
    const sent = request(url, { method, agent, headers }, (response) => {
      response.resume();
      response.once('end', () => {
        const isOk = (response.statusCode ?? 500) < 300 || method === 'HEAD';
        if (isOk) resolve({ location: response.headers.location ?? '' });
        else reject(new Error(`${method} ${url}: ${String(response.statusCode)}`));
      });
    });
    sent.once('error', reject);
    if (body instanceof Readable) body.pipe(sent);
    else sent.end(body);
  });
}

async function startAll(starts: Starts): Promise<readonly (readonly [string, Registry])[]> {
  const running: (readonly [string, Registry])[] = [];
  for (const [name, start] of Object.entries(starts)) running.push([name, await start()]);
  return running;
}

async function closeAll(
  running: readonly (readonly [string, Registry])[],
  peaks: ReadonlyMap<string, Peak>,
): Promise<void> {
  for (const peak of peaks.values()) peak.stop();
  for (const [, registry] of running) await registry.close();
}

/** The ratio of mlist to the other registry, in the rounds in which both ran. */
function printRatio(values: ReadonlyMap<string, readonly number[]>): void {
  const [ours, theirs] = [values.get('mlist') ?? [], values.get('docker-registry') ?? []];
  if (theirs.length > 0)
    print(`   mlist to docker-registry: ${median(ours.map((each, at) => each / (theirs[at] ?? 1))).toFixed(2)}`);
}

function rounded(values: readonly number[]): string {
  return median(values).toFixed(1);
}

function mib(peak: Peak | undefined): string {
  return ((peak?.kib ?? 0) / 1024).toFixed(0);
}
