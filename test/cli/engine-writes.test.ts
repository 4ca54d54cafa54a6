import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createClient } from '../../src/index.ts';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { cleanup } from '../support/cleanup.ts';
import { CliHarness, ownTmpdir } from '../support/cli-harness.ts';
import { entryOf, makeImage, makeIndex, pushImage, putManifest, sha256 } from '../support/images.ts';
import { json, startEngine, type EngineShape, type ScriptedEngine } from '../support/scripted-engine.ts';

/** Images and lists that are loaded into engines, on scripted engines. test/integration/engine-writes.test.ts has real ones. */

const platform = (architecture: string) => ({ architecture, os: 'linux' });
const amd64 = makeImage({ salt: 'load-amd64', kind: 'oci' });
const arm64 = makeImage({ salt: 'load-arm64', kind: 'oci', platform: platform('arm64') });
const large = makeImage({ salt: 'load-large', kind: 'oci', noise: 4 * 1024 * 1024 });
const attestation = makeImage({ salt: 'load-attestation', kind: 'oci' });
const attested = {
  'vnd.docker.reference.type': 'attestation-manifest',
  'vnd.docker.reference.digest': arm64.digest,
};
const list = makeIndex([
  entryOf(amd64, platform('amd64')),
  entryOf(arm64, platform('arm64')),
  entryOf(attestation, { architecture: 'unknown', os: 'unknown' }, { annotations: attested }),
]);

let registry: RunningRegistry;
let source: string;
beforeAll(async () => {
  registry = await startRegistry();
  for (const image of [amd64, arm64, attestation]) await pushImage(registry.url, 'team/app', undefined, image);
  await pushImage(registry.url, 'team/app', 'amd64', amd64);
  await pushImage(registry.url, 'team/app', 'large', large);
  await putManifest(registry.url, 'team/app', '1', list.mediaType, list.bytes);
  source = `${registry.host}/team/app`;
});
afterAll(() => registry.close());

const connected = (engine: ScriptedEngine) =>
  CliHarness.make({ env: { DOCKER_HOST: engine.host, CONTAINER_HOST: engine.host } });

/** Answers load requests after their body has been received. */
function answerLoad(engine: ScriptedEngine, answer: (response: ServerResponse) => void): void {
  engine.fault = (request, response) => {
    if (request.url?.includes('/images/load') !== true) return false;
    void once(request.resume(), 'end').then(() => answer(response));
    return true;
  };
}

const lines = (response: ServerResponse, ...values: readonly object[]): void => {
  response.writeHead(200).end(values.map((value) => `${JSON.stringify(value)}\r\n`).join(''));
};

describe('the containerd store', () => {
  test('a whole list is loaded under its full name, with its attestations', async () => {
    const engine = await startEngine('containerd');
    const cli = await connected(engine);
    const copied = await cli.json<object>('copy', `${source}:1`, 'docker-daemon:app:1');
    expect(copied).toMatchObject({
      ref: 'docker-daemon:docker.io/library/app:1',
      status: 'copied',
      digest: list.digest,
      before: 'absent',
      left: [],
      engine: { store: 'containerd', id: list.digest, platforms: ['linux/amd64', 'linux/arm64'] },
    });
    const [archive] = engine.loads;
    const { manifests } = JSON.parse(archive?.get('index.json')?.toString() ?? '') as { manifests: object[] };
    expect(manifests).toMatchObject([
      { digest: list.digest, annotations: { 'io.containerd.image.name': 'docker.io/library/app:1' } },
    ]);
    expect(archive?.has(`blobs/sha256/${attestation.digest.slice(7)}`)).toBe(true);
  });

  test('what the engine has already is not loaded again, unless a part of it is missing', async () => {
    const engine = await startEngine('containerd');
    const cli = await connected(engine);
    await cli.must('copy', `${source}:1`, 'docker-daemon:app:1');
    const again = await cli.json<{ status: string }>('copy', `${source}:1`, 'docker-daemon:app:1');
    expect([again.status, engine.loads.length]).toEqual(['unchanged', 1]);
    const name = 'docker.io/library/app:1';
    const image = engine.images.get(name);
    const description = structuredClone(image?.description) as unknown as {
      Id: string;
      Manifests: { Available: boolean }[];
    };
    description.Manifests[1]!.Available = false;
    engine.images.set(name, { description, tar: () => undefined });
    await cli.must('copy', `${source}:1`, 'docker-daemon:app:1');
    expect(engine.loads).toHaveLength(2);
  });

  test('a part of a list, and the previous digest of the name', async () => {
    const engine = await startEngine('containerd');
    const cli = await connected(engine);
    await cli.must('copy', `${source}:1`, 'docker-daemon:app:1');
    const part = ['--platform', 'linux/arm64', '--attestations', 'drop'];
    const copied = await cli.json<object>('copy', `${source}:1`, 'docker-daemon:app:1', ...part);
    expect(copied).toMatchObject({ before: list.digest, engine: { platforms: ['linux/arm64'] } });
  });
});

describe.each<EngineShape>(['classic', 'podman'])('a store of single images: %s', (shape) => {
  const target = shape === 'podman' ? 'podman:app:1' : 'docker-daemon:app:1';
  const id = sha256(arm64.blobs[0]!);

  test('one image of a list is loaded as docker saves it, without its attestation', async () => {
    const engine = await startEngine(shape);
    const copied = await (
      await connected(engine)
    ).json<{ left: object[] }>('copy', `${source}:1`, target, '--platform', 'linux/arm64');
    expect(copied).toMatchObject({
      digest: arm64.digest,
      filtered: list.digest,
      engine: { store: shape, id, platforms: ['linux/arm64'] },
    });
    expect(copied.left).toContainEqual({
      what: 'attestation',
      digest: attestation.digest,
      reason: 'the engine can store only single images',
    });
    const [archive] = engine.loads;
    expect([...(archive?.keys() ?? [])].filter((name) => !name.startsWith('blobs/'))).toEqual(['manifest.json']);
    expect(JSON.parse(archive?.get('manifest.json')?.toString() ?? '')).toMatchObject([
      { RepoTags: ['docker.io/library/app:1'] },
    ]);
  });

  test('a list is refused before anything is sent', async () => {
    const engine = await startEngine(shape);
    const { code, stderr } = await (await connected(engine)).run(['copy', `${source}:1`, target]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('can store only single images')]);
    expect(stderr).toContain('by its platform: linux/amd64, linux/arm64');
    expect(stderr).toContain('a Docker engine with the containerd image store');
    expect(engine.requests.filter((request) => request.includes('load'))).toEqual([]);
  });
});

describe('what engines answer', () => {
  const unpacking = 'Error unpacking image app:1: wrong diff id calculated on extraction';

  test.each<[string, EngineShape, (response: ServerResponse) => void, number, string]>([
    [
      'an error',
      'classic',
      (response) => lines(response, { error: 'disk full' }),
      7,
      'cannot load docker-daemon:docker.io/library/app:1: disk full',
    ],
    [
      'an error with details after progress',
      'classic',
      (response) =>
        lines(
          response,
          { stream: 'Loading' },
          { errorDetail: { message: 'cannot load windows image on linux' }, error: 'x' },
        ),
      7,
      'cannot load windows image on linux',
    ],
    [
      'a failed unpack after a success',
      'containerd',
      (response) => lines(response, { stream: 'Loaded image: app:1\n' }, { stream: `${unpacking}\n` }),
      7,
      `but cannot use it: ${unpacking}`,
    ],
    [
      'status 500 of podman',
      'podman',
      (response) =>
        json(response, 500, {
          cause: 'x',
          message: 'unsupported: \n * oci: no\n * docker-archive: layer is broken',
          response: 500,
        }),
      7,
      'cannot load docker-daemon:docker.io/library/app:1: layer is broken',
    ],
    [
      'something that is not JSON',
      'containerd',
      (response) => void response.end('hello\n'),
      7,
      'a line is not a JSON object',
    ],
    [
      'a line without an end',
      'containerd',
      (response) => void response.end(Buffer.alloc(100_000, ' ')),
      7,
      'a line is longer than 65536 bytes',
    ],
    [
      'lines without an end',
      'containerd',
      (response) => {
        const line = Buffer.from(`${JSON.stringify({ stream: 'x'.repeat(60_000) })}\n`);
        const send = (): void => {
          while (!response.destroyed && response.write(line));
          response.once('drain', send);
        };
        send();
      },
      7,
      'it is larger than',
    ],
    [
      'an answer that is cut',
      'containerd',
      (response) => {
        response.writeHead(200).write('{"stream":"Loading"}\n');
        setTimeout(() => response.destroy(), 50);
      },
      7,
      'closed the connection before the end',
    ],
    [
      'a success without an image',
      'containerd',
      (response) => lines(response, { stream: 'Loaded image: app:1\n' }),
      7,
      'but has no image with this name',
    ],
    [
      'status 403',
      'containerd',
      (response) => json(response, 403, { message: 'authorization denied by plugin' }),
      6,
      'authorization denied by plugin',
    ],
  ])('%s', async (_, shape, answer, code, message) => {
    const engine = await startEngine(shape);
    answerLoad(engine, answer);
    const result = await (await connected(engine)).run(['copy', `${source}:amd64`, 'docker-daemon:app:1']);
    expect([result.code, result.stderr]).toEqual([code, expect.stringContaining(message)]);
    expect(result.stderr).not.toContain('pushed docker-daemon');
    expect(result.stdout).toBe('');
  });

  test('an engine that has another image afterwards is refused', async () => {
    const engine = await startEngine('classic');
    engine.images.set('app:1', {
      description: { Id: sha256(Buffer.from('x')), ...{ Os: 'linux', Architecture: 'amd64' } },
      tar: () => undefined,
    });
    answerLoad(engine, (response) => lines(response, { stream: 'Loaded image: app:1\n' }));
    const { code, stderr } = await (await connected(engine)).run(['copy', `${source}:amd64`, 'docker-daemon:app:1']);
    expect([code, stderr]).toEqual([7, expect.stringContaining(`instead of ${sha256(amd64.blobs[0]!)}`)]);
  });

  test('an engine that accepts no data ends with the timeout', async () => {
    const engine = await startEngine('containerd');
    engine.fault = (request) => request.url?.includes('/images/load') === true;
    const { code, stderr } = await (
      await connected(engine)
    ).run(['copy', `${source}:large`, 'docker-daemon:app:1', '--timeout', '500ms']);
    expect([code, stderr]).toEqual([7, expect.stringContaining('for 0.5 s')]);
  });

  test('an engine that closes the connection in the middle of the archive', async () => {
    const engine = await startEngine('containerd');
    engine.fault = (request) => {
      if (request.url?.includes('/images/load') !== true) return false;
      request.once('data', () => request.destroy());
      return true;
    };
    const { code, stderr } = await (await connected(engine)).run(['copy', `${source}:large`, 'docker-daemon:app:1']);
    expect([code, stderr]).toEqual([7, expect.stringContaining('closed the connection')]);
  });

  test('an interruption while the engine loads reports that the name may have changed', async () => {
    const engine = await startEngine('containerd');
    const controller = new AbortController();
    answerLoad(engine, () => controller.abort());
    const { code, stderr } = await (
      await connected(engine)
    ).run(['copy', `${source}:amd64`, 'docker-daemon:app:1'], { signal: controller.signal });
    expect([code, stderr]).toEqual([
      130,
      expect.stringContaining('may have been pushed: docker-daemon:docker.io/library/app:1'),
    ]);
  });

  test('temporary archives are removed after success and failure', async () => {
    const folder = await ownTmpdir();
    const engine = await startEngine('containerd');
    const cli = await connected(engine);
    await cli.must('copy', `${source}:1`, 'docker-daemon:app:1');
    answerLoad(engine, (response) => lines(response, { error: 'disk full' }));
    expect((await cli.run(['copy', `${source}:amd64`, 'docker-daemon:app:1'])).code).toBe(7);
    expect((await readdir(folder)).filter((name) => name.startsWith('mlist-spool'))).toEqual([]);
  });
});

describe('what is refused', () => {
  test.each<[string, (from: string) => readonly string[], string]>([
    ['referrers', (from) => ['copy', from, 'docker-daemon:app:1', '--referrers'], 'engines cannot store referrers'],
    [
      '--expect kept',
      (from) => ['copy', from, 'docker-daemon:app:1', '--expect', 'kept'],
      'list the expected platforms instead',
    ],
    ['an ID', (from) => ['copy', from, `docker-daemon:${list.digest}`], 'a target must be an image name with a tag'],
    [
      'a name with a digest only',
      (from) => ['copy', from, `docker-daemon:app@${list.digest}`],
      'a target must be an image name with a tag',
    ],
    [
      'create --push with --tag',
      (from) => ['create', 'team/new', from, '--push', '--tag', 'docker-daemon:app:1'],
      'only "mlist copy" writes to engines',
    ],
  ])('%s', async (_, args, message) => {
    const engine = await startEngine('containerd');
    const { code, stderr } = await (await connected(engine)).run(args(`${source}:1`));
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
    expect(engine.loads).toEqual([]);
  });

  test.each([
    ['a list', 'manifests: [SOURCE]'],
    ['a copy', 'copy: SOURCE'],
  ])('apply with an engine as a target of %s', async (_, content) => {
    const engine = await startEngine('containerd');
    const spec = `list: ${registry.host}/team/new:1\ntags: ["docker-daemon:app:1"]\n${content}\n`;
    const stdin = spec.replace('SOURCE', `${source}:amd64`);
    const { code, stderr } = await (await connected(engine)).run(['apply', '-f', '-'], { stdin });
    expect([code, stderr]).toEqual([3, expect.stringContaining('only "mlist copy" writes to engines')]);
    expect(engine.requests).toEqual([]);
  });

  test('push --to an engine, with the command to use', async () => {
    const engine = await startEngine('containerd');
    const cli = await connected(engine);
    await cli.must('create', 'team/new', `${source}:1`);
    const { code, stderr } = await cli.run(['push', '--to', 'docker-daemon:app:1']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('only "mlist copy" writes to engines')]);
    expect(stderr).toContain('mlist copy oci:DIR:TAG docker-daemon:docker.io/library/app:1');
    expect(engine.requests).toEqual([]);
  });
});

test('a dry run asks for the kind of the engine only', async () => {
  const engine = await startEngine('containerd');
  const client = cleanup(createClient({ env: { DOCKER_HOST: engine.host } }));
  const planned = await client.copy(`${source}:1`, 'docker-daemon:app:1', { dryRun: true });
  expect(planned).toMatchObject({ status: 'planned', descriptor: { digest: list.digest } });
  expect(planned).not.toHaveProperty('before');
  expect(engine.requests).toEqual(['/version', '/info']);
  const cli = await CliHarness.make({ env: { DOCKER_HOST: engine.host } });
  const { code, stderr } = await cli.run(['copy', `${source}:1`, 'docker-daemon:app:1', '--dry-run']);
  expect([code, stderr]).toEqual([0, expect.stringMatching(/^plan for docker-daemon:.*\n {2}upload /m)]);
  const copied = await client.copy(`${source}:1`, 'docker-daemon:app:1');
  expect(copied.engine).toMatchObject({ store: 'containerd', id: list.digest });
});
