import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, listens } from './docker-registry.ts';

export interface Nginx {
  readonly host: string;
  /** The requests so far: the number of their connection, the protocol and the method. */
  requests(): Promise<readonly { readonly connection: string; readonly protocol: string; readonly method: string }[]>;
  close(): Promise<void>;
}

export interface NginxOptions {
  /** `host:port` of a registry that uses http. */
  readonly upstream: string;
  /** Paths of files. */
  readonly certificate: string;
  readonly key: string;
}

/** Starts nginx with TLS and HTTP/2 in front of a registry. */
export async function startNginx({ upstream, certificate, key }: NginxOptions): Promise<Nginx> {
  const folder = await mkdtemp(join(tmpdir(), 'mlist-nginx-'));
  const host = `127.0.0.1:${await freePort()}`;
  const [config, log] = [join(folder, 'nginx.conf'), join(folder, 'requests')];
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(folder, name)};`,
  );
  await writeFile(
    config,
    `daemon off; worker_processes 1; pid ${join(folder, 'pid')}; events {}
http {
  ${folders.join(' ')}
  log_format short '$connection $server_protocol $request_method';
  access_log ${log} short;
  server {
    listen ${host} ssl http2; ssl_certificate ${certificate}; ssl_certificate_key ${key}; client_max_body_size 0;
    location / {
      proxy_pass http://${upstream}; proxy_request_buffering off;
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto https;
    }
  }
}\n`,
  );
  const child = spawn('nginx', ['-c', config, '-e', join(folder, 'errors')], { stdio: 'ignore' });
  if (!(await listens(host, child))) throw new Error('nginx does not start');
  return {
    host,
    requests: async () => {
      // nginx logs a request after its last byte.
      await sleep(100);
      const lines = (await readFile(log, 'utf8')).trim().split('\n');
      return lines.map((line) => {
        const [connection = '', protocol = '', method = ''] = line.split(' ');
        return { connection, protocol, method };
      });
    },
    close: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill();
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
