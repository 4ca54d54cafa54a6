import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A registry of another project. */
export interface Registry {
  readonly url: string;
  readonly host: string;
  /** The folder in which it stores its content. */
  readonly folder?: string | undefined;
  close(): Promise<void>;
}

/** The path of a program on PATH; undefined if it is not found. */
export function programPath(name: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export interface DockerRegistryOptions {
  /** Paths of files. With `clients`, clients need a certificate of that authority. */
  readonly tls?: { readonly certificate: string; readonly key: string; readonly clients?: string } | undefined;
  /** The htpasswd file: lines `NAME:BCRYPT`. */
  readonly users?: string | undefined;
}

export async function startDockerRegistry({ tls, users }: DockerRegistryOptions = {}): Promise<Registry> {
  const folder = await mkdtemp(join(tmpdir(), 'mlist-registry-'));
  const { clients, ...pair } = tls ?? {};
  const certificates = { ...pair, ...(clients === undefined ? {} : { clientcas: [clients] }) };
  const htpasswd = join(folder, 'htpasswd');
  if (users !== undefined) await writeFile(htpasswd, users);
  const { child, host } = await started(join(folder, 'config.yml'), (address) => [
    'version: 0.1',
    'log: {level: error, accesslog: {disabled: true}}',
    `storage: {filesystem: {rootdirectory: ${JSON.stringify(join(folder, 'data'))}}, delete: {enabled: true}}`,
    `http: {addr: ${address}${tls === undefined ? '' : `, tls: ${JSON.stringify(certificates)}`}}`,
    ...(users === undefined ? [] : [`auth: {htpasswd: {realm: test, path: ${JSON.stringify(htpasswd)}}}`]),
  ]);
  return {
    url: `${tls === undefined ? 'http' : 'https'}://${host}`,
    host,
    folder: join(folder, 'data'),
    close: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill();
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Starts the registry. Tries another port if the port is already in use. */
async function started(config: string, linesFor: (host: string) => readonly string[]) {
  for (let tries = 0; tries < 5; tries += 1) {
    const host = `127.0.0.1:${await freePort()}`;
    await writeFile(config, `${linesFor(host).join('\n')}\n`);
    const child = spawn('docker-registry', ['serve', config], { stdio: 'ignore' });
    if (await listens(host, child)) return { child, host };
  }
  throw new Error('docker-registry does not start');
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Waits until a server listens; false if it exits. */
export async function listens(host: string, child: ChildProcess): Promise<boolean> {
  const [address = '', port] = host.split(':');
  while (child.exitCode === null) {
    const socket = connect(Number(port), address);
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return true;
    await sleep(20);
  }
  return false;
}
