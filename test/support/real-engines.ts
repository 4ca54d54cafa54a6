import { request } from 'node:http';
import { describe } from '@jest/globals';
import { tarOf } from '../store/archive/tar-bytes.ts';
import { sha256 } from './images.ts';

/**
 * Real engines, at the addresses in environment variables. Tests that need an engine that is not there are skipped.
 */
export interface RealEngine {
  readonly name: 'containerd' | 'classic' | 'podman';
  /** The address, as DOCKER_HOST takes it. */
  readonly host: string;
  /** The prefix of locations. */
  readonly prefix: 'docker-daemon' | 'podman';
  readonly env: Readonly<Record<string, string>>;
}

const variables = {
  containerd: 'DOCKER_CONTAINERD_HOST',
  classic: 'DOCKER_CLASSIC_HOST',
  podman: 'PODMAN_HOST',
} as const;

/** Runs tests on each engine that is there. The titles of the skipped ones name the variable that is missing. */
export function describeOnEngines(
  title: string,
  tests: (engine: RealEngine) => void,
  names: readonly RealEngine['name'][] = ['containerd', 'classic', 'podman'],
): void {
  for (const name of names) {
    const host = process.env[variables[name]] ?? '';
    const isPodman = name === 'podman';
    const engine: RealEngine = {
      name,
      host,
      prefix: isPodman ? 'podman' : 'docker-daemon',
      env: { [isPodman ? 'CONTAINER_HOST' : 'DOCKER_HOST']: host },
    };
    if (host.startsWith('unix://')) describe(`${title} (${name})`, () => tests(engine));
    else describe.skip(`${title} (skipped: ${variables[name]} is not the address of a socket)`, () => tests(engine));
  }
}

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Sends a request to the Docker API of an engine. */
export function callEngine(
  { host }: RealEngine,
  method: string,
  path: string,
  { body, headers = {} }: { readonly body?: Uint8Array; readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { socketPath: host.slice('unix://'.length), method, path, headers: { Host: 'engine', ...headers } },
      (response) => {
        const chunks: Buffer[] = [];
        response
          .on('data', (chunk: Buffer) => chunks.push(chunk))
          .on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }))
          .on('error', reject);
      },
    );
    sent.on('error', reject).end(body);
  });
}

type CallArguments = Parameters<typeof callEngine> extends [unknown, ...infer Rest] ? Rest : never;

/** Sends a request that must succeed. Docker reports errors of pulls and loads in the text of a response with status 200. */
export async function mustCall(engine: RealEngine, ...args: CallArguments): Promise<string> {
  const { status, text } = await callEngine(engine, ...args);
  if (status >= 200 && status < 300 && !/"error(?:Detail)?":/.test(text)) return text;
  throw new Error(`${engine.name}: ${args[0]} ${args[1]}: HTTP ${status} ${text}`);
}

/** Loads an image with one layer. @returns its ID in stores without manifests, which is the digest of its config */
export async function loadImage(engine: RealEngine, name: string, architecture: string): Promise<string> {
  const layer = tarOf({ name: 'hello', content: `${name} ${architecture}\n` });
  const config = Buffer.from(
    JSON.stringify({
      architecture,
      os: 'linux',
      config: { Cmd: ['/hello'] },
      created: '2020-01-01T00:00:00Z',
      history: [{ created: '2020-01-01T00:00:00Z', created_by: 'test' }],
      rootfs: { type: 'layers', diff_ids: [sha256(layer)] },
    }),
  );
  const id = sha256(config);
  const manifest = [{ Config: `${id.slice(7)}.json`, RepoTags: [`docker.io/${name}`], Layers: ['layer.tar'] }];
  const body = tarOf(
    { name: 'layer.tar', content: layer },
    { name: `${id.slice(7)}.json`, content: config },
    { name: 'manifest.json', content: JSON.stringify(manifest) },
  );
  await mustCall(engine, 'POST', '/images/load', { body, headers: { 'Content-Type': 'application/x-tar' } });
  return id;
}
