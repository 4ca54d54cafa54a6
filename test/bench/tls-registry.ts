import { spawn, type ChildProcess } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { hostname, networkInterfaces, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Authority } from '../support/certificates.ts';
import { freePort, listens, programPath, startDockerRegistry } from '../support/docker-registry.ts';
import type { BenchContext } from './main.ts';

/** docker-registry behind nginx, which offers TLS 1.3 and HTTP/2, optionally behind a relay that delays it. */
export interface TlsRegistry {
  /** The registry, with its port. */
  readonly host: string;
  /** Plain http, without nginx and the relay, to push content. */
  readonly url: string;
  /** The requests since the last call. */
  traffic(): Promise<Traffic>;
  close(): Promise<void>;
}

export interface Traffic {
  readonly requests: number;
  /** Connections with requests, such as `1 HTTP/2 + 8 HTTP/1.1`. */
  readonly connections: string;
}

/** The certificate of the registries, and the authority that signed it. */
export interface TlsSetup {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  /** A name of this machine. */
  readonly name: string;
  readonly address: string;
}

export async function tlsSetup({ folder }: BenchContext): Promise<TlsSetup> {
  const place = mkdtempSync(join(folder, 'authority-'));
  const authority = new Authority(place);
  const machine = await ownName();
  const { certFile, keyFile } = authority.sign('server', ['127.0.0.1', 'localhost', hostname()]);
  return { caFile: authority.certificate.certFile, certFile, keyFile, ...machine };
}

/** Programs that these registries need and that are not on PATH. */
export function missingPrograms(): readonly string[] {
  return ['docker-registry', 'nginx', 'openssl'].filter((name) => programPath(name) === undefined);
}

/** Tools use plain http for `localhost` and its addresses, so the registries have the name of the machine if it resolves to it. */
async function ownName(): Promise<Pick<TlsSetup, 'name' | 'address'>> {
  const found = await lookup(hostname(), { family: 4 }).catch(() => undefined);
  const own = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address));
  const isOwn = found !== undefined && (found.address.startsWith('127.') || own.includes(found.address));
  return isOwn ? { name: hostname(), address: found.address } : { name: '127.0.0.1', address: '127.0.0.1' };
}

/** @param roundTripMs - the delay that the relay adds. Default: no relay */
export async function startTlsRegistry(
  setup: TlsSetup,
  { folder }: BenchContext,
  roundTripMs?: number,
): Promise<TlsRegistry> {
  const registry = await startDockerRegistry();
  const own = mkdtempSync(join(folder, 'nginx-'));
  const { nginx, port } = await startNginx(setup, own, registry.host);
  const relay = roundTripMs === undefined ? undefined : await startRelay(folder, [setup.address, port], roundTripMs);
  const log = join(own, 'access.log');
  let seen = 0;
  return {
    host: `${setup.name}:${relay?.port ?? port}`,
    url: registry.url,
    traffic: async () => {
      // The line of the last request is written just after its response.
      await sleep(50);
      const lines = (await readFile(log, 'utf8')).split('\n').slice(0, -1);
      const fresh = lines.slice(seen);
      seen = lines.length;
      return { requests: fresh.length, connections: connectionsIn(fresh) };
    },
    close: async () => {
      for (const child of [relay?.child, nginx]) if (child !== undefined) await stop(child);
      await registry.close();
    },
  };
}

/** @param lines - `CONNECTION PROTOCOL` each */
function connectionsIn(lines: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const line of new Set(lines)) {
    const protocol = (line.split(' ')[1] ?? '').replace('HTTP/2.0', 'HTTP/2');
    counts.set(protocol, (counts.get(protocol) ?? 0) + 1);
  }
  const sorted = [...counts].sort(([left], [right]) => (left < right ? 1 : -1));
  return sorted.map(([protocol, count]) => `${count} ${protocol}`).join(' + ');
}

async function startNginx({ certFile, keyFile, address }: TlsSetup, folder: string, upstream: string) {
  for (const name of ['body', 'proxy']) mkdirSync(join(folder, name));
  const config = join(folder, 'nginx.conf');
  for (let tries = 0; tries < 5; tries += 1) {
    const port = await freePort(address);
    writeFileSync(config, nginxConfig({ listen: `${address}:${port}`, upstream, folder, certFile, keyFile }));
    const nginx = spawn('nginx', ['-p', folder, '-c', config], { stdio: ['ignore', 'ignore', 'ignore'] });
    if (await listens(`${address}:${port}`, nginx)) return { nginx, port };
  }
  throw new Error(`nginx does not start: see ${join(folder, 'error.log')}`);
}

interface NginxOptions extends Pick<TlsSetup, 'certFile' | 'keyFile'> {
  readonly listen: string;
  readonly upstream: string;
  readonly folder: string;
}

/** By default, nginx proxies in pieces of 4 KiB, which limits all clients. */
function nginxConfig({ listen, upstream, folder, certFile, keyFile }: NginxOptions): string {
  return `
daemon off;
user ${userInfo().username};
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log warn;
events { worker_connections 4096; }
http {
  log_format bench '$connection $server_protocol';
  access_log ${folder}/access.log bench;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/proxy;
  uwsgi_temp_path ${folder}/proxy;
  scgi_temp_path ${folder}/proxy;
  keepalive_timeout 75s;
  keepalive_requests 100000;
  client_max_body_size 0;
  upstream registry { server ${upstream}; keepalive 64; }
  server {
    listen ${listen} ssl http2;
    ssl_certificate ${certFile};
    ssl_certificate_key ${keyFile};
    ssl_protocols TLSv1.3;
    location / {
      proxy_pass http://registry;
      proxy_http_version 1.1;
      proxy_set_header Connection '';
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_request_buffering off;
      client_body_buffer_size 64k;
      proxy_buffer_size 64k;
      proxy_buffers 8 64k;
      proxy_busy_buffers_size 128k;
      proxy_max_temp_file_size 0;
    }
  }
}
`;
}

async function startRelay(folder: string, target: readonly [string, number], roundTripMs: number) {
  const args = [join(folder, 'relay.mjs'), ...target.map(String), String(roundTripMs)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await new Promise<Buffer>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => reject(new Error('the relay does not start')));
    child.stdout.once('data', resolve);
  }).then((chunk) => chunk.toString().split('\n'))) as [string];
  return { child, port: Number(line) };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill();
  await ended;
}
