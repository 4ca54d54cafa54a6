import { createHash } from 'node:crypto';
import type { RequestEvent, RegistryOptions } from '../../../src/store/registry/registry-options.ts';
import type { Repository } from '../../../src/store/registry/repository.ts';
import { RegistrySession } from '../../../src/store/registry/session.ts';
import type { ManifestContent } from '../../../src/store/store.ts';
import { parseReference } from '../../../src/oci/reference.ts';
import { startRegistry, type ServerOptions } from '../../../src/server/start-registry.ts';
import { RecordingProxy, type RecordingProxyOptions } from '../../support/recording-proxy.ts';
import { cleanup } from '../../support/cleanup.ts';
import { trustInUse } from '../../support/protocols.ts';
import { blobOf } from '../samples.ts';

export interface TestSession extends RegistrySession {
  readonly events: RequestEvent[];
  readonly warnings: string[];
}

/** A session that records its events and warnings. */
export function session(
  options: Partial<RegistryOptions> & { readonly env?: Readonly<Record<string, string>> } = {},
): TestSession {
  const events: RequestEvent[] = [];
  const warnings: string[] = [];
  const created = new RegistrySession({
    userAgent: 'mlist/test',
    env: {},
    timeoutMs: 60_000,
    ...trustInUse(),
    onRequest: (event) => events.push(event),
    onWarning: (message) => warnings.push(message),
    ...options,
  });
  return cleanup(Object.assign(created, { events, warnings }));
}

export function repository(from: RegistrySession, host: string, path: string): Repository {
  return from.repository(parseReference(`${host}/${path}`));
}

/** The embedded registry behind a proxy that records requests and can change responses. */
export async function served(
  serve: ServerOptions = {},
  options: RecordingProxyOptions = {},
): Promise<{ readonly proxy: RecordingProxy; readonly upstream: string; readonly host: string }> {
  const registry = cleanup(await startRegistry(serve));
  const proxy = cleanup(await RecordingProxy.start({ upstream: registry.url, ...options }));
  return { proxy, upstream: registry.url, host: proxy.host };
}

export { cleanup };

const BLOCK = 1024 * 1024;

/** The blocks by seed, because they take long to compute. */
const blocks = new Map<string, Buffer>();
const noiseBlock = (seed: string): Buffer =>
  Buffer.concat(Array.from({ length: BLOCK / 64 }, (_, at) => createHash('sha512').update(`${seed} ${at}`).digest()));

/** Pseudo-random bytes, which differ by seed and in each MiB. */
export function noise(length: number, seed = ''): Buffer {
  const block = blocks.get(seed) ?? noiseBlock(seed);
  blocks.set(seed, block);
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += BLOCK) {
    block.copy(bytes, at);
    if (at + 4 <= length) bytes.writeUInt32BE(at / BLOCK, at);
  }
  return bytes;
}

export function layerOf(length: number, seed = ''): ManifestContent {
  return blobOf(noise(length, seed), 'application/vnd.oci.image.layer.v1.tar+gzip');
}

/** Yields a blob in pieces, as a file stream does. */
export async function* pieces(bytes: Uint8Array, length = 64 * 1024): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield await Promise.resolve(bytes.subarray(at, at + length));
}

export async function put(target: Repository, content: ManifestContent): Promise<void> {
  await target.putBlob(content.descriptor, () => pieces(content.bytes));
}

/**
 * Puts this number of blobs concurrently.
 * @param length - the length of each blob in bytes. Default: a few bytes
 */
export async function putBlobs(target: Repository, count: number, length = 0): Promise<void> {
  const bytes = (at: number) => Buffer.from(`blob ${at}`.padEnd(length));
  const blobs = Array.from({ length: count }, (_, at) => blobOf(bytes(at), 'application/octet-stream'));
  await Promise.all(blobs.map((blob) => put(target, blob)));
}

/**
 * The largest number of requests that a proxy receives at once. It answers none before it has received the expected number.
 * @param send - sends more requests than expected
 */
export async function mostAtOnce(
  proxy: RecordingProxy,
  expected: number,
  send: () => Promise<unknown>,
): Promise<number> {
  let [now, most] = [0, 0];
  let fill: () => void = () => undefined;
  const full = new Promise<void>((resolve) => (fill = resolve));
  proxy.on(/^/, async ({ pass, response }) => {
    now += 1;
    most = Math.max(most, now);
    response.once('close', () => (now -= 1));
    if (now === expected) fill();
    await full;
    // If the limit is too high, further requests arrive before the first one is answered.
    await new Promise((resolve) => setTimeout(resolve, 20));
    await pass();
  });
  await send();
  return most;
}
