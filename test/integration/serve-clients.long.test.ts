import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { startRegistry } from '../../src/server/start-registry.ts';
import { withFolder } from '../store/samples.ts';
import { Authority } from '../support/certificates.ts';
import { pushImage, putManifest } from '../support/images.ts';
import { loadableEntry, loadableImage } from '../support/loadable-images.ts';
import { pairsOf } from '../support/long.ts';
import { describeWith } from '../support/programs.ts';
import { describeOnEngines } from '../support/real-engines.ts';

/** Other clients pull from the embedded registry and push to it. */

const images = ['amd64', 'arm64'].map((architecture) => loadableImage({ salt: 'serve', architecture }));
const index = {
  mediaType: 'application/vnd.oci.image.index.v1+json',
  bytes: Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: images.map(loadableEntry),
    }),
  ),
};

const transports = ['http', 'https'] as const;
const logins = ['without login', 'with login', 'with login to push only'] as const;
const setups = pairsOf(transports, logins);

/** What a client works with. */
interface Job {
  /** `HOST:PORT` of the registry, which has the list `team/app:v1`. */
  readonly host: string;
  readonly isPlain: boolean;
  /** A folder for files. */
  readonly folder: string;
  /** The file with the certificate of the authority. */
  readonly ca: string;
  /** Runs a program that only pulls. It has a login if the registry requires one. */
  readonly pull: (program: string, ...args: readonly string[]) => Promise<string>;
  /** Runs a program with a login, if the registry requires one to push. */
  readonly push: (program: string, ...args: readonly string[]) => Promise<string>;
}

const run = promisify(execFile);

/** Lets a client work with a registry, and checks that it has pushed `client/app:v1`. */
async function withServed(
  [transport, login]: (typeof setups)[number],
  work: (job: Job) => Promise<void>,
  more: Readonly<Record<string, string>> = {},
): Promise<void> {
  await withFolder(async (folder) => {
    const dir = join(folder, 'served');
    const open = await startRegistry({ dir });
    for (const image of images) await pushImage(open.url, 'team/app', undefined, image);
    await putManifest(open.url, 'team/app', 'v1', index.mediaType, index.bytes);
    const htpasswd = join(folder, 'htpasswd');
    await writeFile(htpasswd, `me:{SHA256}${createHash('sha256').update('secret').digest('base64')}\n`);
    const authority = new Authority(folder);
    const registry = await startRegistry({
      dir,
      tls: transport === 'https' ? authority.sign('server') : undefined,
      htpasswd: login === 'without login' ? undefined : htpasswd,
      anonymousPull: login === 'with login to push only',
    });
    const environment = async (name: string, auths: object) => {
      const config = join(folder, name);
      await mkdir(join(config, 'work'), { recursive: true });
      await writeFile(join(config, 'config.json'), JSON.stringify({ auths }));
      const files = { DOCKER_CONFIG: config, REGISTRY_AUTH_FILE: join(config, 'config.json') };
      const env = { ...process.env, ...files, SSL_CERT_FILE: authority.certificate.certFile, HOME: config, ...more };
      return async (program: string, ...args: readonly string[]) =>
        (await run(program, args, { env, cwd: join(config, 'work') })).stdout;
    };
    const auths = { [registry.host]: { auth: Buffer.from('me:secret').toString('base64') } };
    const push = await environment('with-login', login === 'without login' ? {} : auths);
    const pull = login === 'with login' ? push : await environment('without-login', {});
    try {
      await work({
        host: registry.host,
        isPlain: transport === 'http',
        folder,
        ca: authority.certificate.certFile,
        pull,
        push,
      });
      const pushed = await fetch(`${open.url}/v2/client/app/manifests/v1`);
      expect(pushed.status).toBe(200);
    } finally {
      await registry.close();
      await open.close();
    }
  });
}

describeWith('crane', 'a client of go-containerregistry', () => {
  test.each(setups)('over %s %s', (...setup) =>
    withServed(setup, async ({ host, folder, pull, push }) => {
      await pull('crane', 'pull', '--platform', 'linux/amd64', `${host}/team/app:v1`, join(folder, 'image.tar'));
      await push('crane', 'push', join(folder, 'image.tar'), `${host}/client/app:v1`);
      await push('crane', 'copy', `${host}/team/app:v1`, `${host}/client/app:copy`);
      expect(await pull('crane', 'catalog', host)).toBe('client/app\nteam/app\n');
      expect(await pull('crane', 'ls', `${host}/client/app`)).toBe('copy\nv1\n');
    }),
  );
});

describeWith('oras', 'a client of oras-go', () => {
  test.each(setups)('over %s %s', (...setup) =>
    withServed(setup, async ({ host, isPlain, pull, push }) => {
      const plain = isPlain ? ['--plain-http'] : [];
      await push('sh', '-c', 'echo content > file.txt');
      await push('oras', 'push', ...plain, `${host}/client/app:v1`, 'file.txt');
      await pull('oras', 'pull', ...plain, `${host}/client/app:v1`);
      const both = isPlain ? ['--from-plain-http', '--to-plain-http'] : [];
      await push('oras', 'copy', '--recursive', ...both, `${host}/team/app:v1`, `${host}/client/app:copy`);
      expect(await pull('oras', 'repo', 'ls', ...plain, host)).toBe('client/app\nteam/app\n');
      expect(await pull('oras', 'repo', 'tags', ...plain, `${host}/client/app`)).toBe('copy\nv1\n');
    }),
  );
});

describeWith('skopeo', 'a client of containers/image', () => {
  test.each(setups)('over %s %s', (...setup) =>
    withServed(setup, async ({ host, isPlain, folder, pull, push }) => {
      const layout = `oci:${join(folder, 'layout')}:v1`;
      const copy = ['copy', '--insecure-policy', '--all'];
      await pull('skopeo', ...copy, `--src-tls-verify=${!isPlain}`, `docker://${host}/team/app:v1`, layout);
      await push('skopeo', ...copy, `--dest-tls-verify=${!isPlain}`, layout, `docker://${host}/client/app:v1`);
    }),
  );
});

describeWith('buildah', 'a builder of containers/image', () => {
  test.each(setups)('over %s %s', (...setup) =>
    withServed(setup, async ({ host, isPlain, folder, pull, push }) => {
      const storage = ['--root', join(folder, 'root'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs'];
      const verify = `--tls-verify=${!isPlain}`;
      await pull('buildah', ...storage, 'pull', verify, `${host}/team/app:v1`);
      await push('buildah', ...storage, 'push', verify, `${host}/team/app:v1`, `docker://${host}/client/app:v1`);
    }),
  );
});

describeWith('docker-buildx', 'a client of containerd', () => {
  const work = async ({ host, pull, push }: Job): Promise<void> => {
    const raw = await pull('docker-buildx', 'imagetools', 'inspect', '--raw', `${host}/team/app:v1`);
    expect(raw).toBe(index.bytes.toString());
    await push('docker-buildx', 'imagetools', 'create', '-t', `${host}/client/app:v1`, `${host}/team/app:v1`);
  };

  test.each(setups.filter(([transport]) => transport === 'http'))('over %s %s', (...setup) => withServed(setup, work));

  // Without the configuration of a builder, buildx uses plain HTTP for loopback addresses. A builder needs an engine.
  describeOnEngines(
    'docker-buildx',
    (engine) => {
      test.each(setups.filter(([transport]) => transport === 'https'))('over %s %s', (...setup) =>
        withServed(
          setup,
          async (job) => {
            const { host, folder, ca, pull, push } = job;
            const config = join(folder, 'buildkitd.toml');
            await writeFile(config, `[registry."${host}"]\nhttp = false\nca = [${JSON.stringify(ca)}]\n`);
            const create = ['create', '--use', '--driver', 'docker-container', '--buildkitd-config', config];
            for (const run of new Set([pull, push])) await run('docker-buildx', ...create);
            await work(job);
          },
          { DOCKER_HOST: engine.host },
        ),
      );
    },
    ['containerd'],
  );
});

describeWith('docker', 'an engine', () => {
  describeOnEngines('docker', (engine) => {
    describe.each(setups)('over %s %s', (...setup) => {
      test('pulls and pushes', () =>
        withServed(
          setup,
          async ({ host, pull, push }) => {
            const [from, to] = [`${host}/team/app:v1`, `${host}/client/app:v1`];
            await pull('docker', 'pull', from);
            await push('docker', 'tag', from, to);
            await push('docker', 'push', to);
            await push('docker', 'rmi', from, to);
          },
          { DOCKER_HOST: engine.host },
        ));
    });
  });
});
