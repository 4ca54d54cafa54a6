import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { CliHarness } from '../support/cli-harness.ts';
import { expectWhole } from '../support/copy-fixture.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { writeSavedArchive } from '../support/layouts.ts';
import { containerdIndex, startEngine, type ScriptedEngine } from '../support/scripted-engine.ts';

/** Images of which a container engine has only some platforms, on scripted engines. */

const amd64 = { ...makeImage({ salt: 'sparse engine', kind: 'oci' }), platform: 'linux/amd64' };
const arm64 = {
  ...makeImage({ salt: 'sparse engine', kind: 'oci', platform: { architecture: 'arm64', os: 'linux' } }),
  platform: 'linux/arm64',
};
/** containerd names the host without its port, which only `RepoDigests` has. */
const source = { 'containerd.io/distribution.source.127.0.0.1': 'team/origin' };
const sparse = containerdIndex([amd64, { ...arm64, isMissing: true }], source);
const index = { mediaType: 'application/vnd.oci.image.index.v1+json', digest: sparse.digest, bytes: sparse.bytes };

let registry: RunningRegistry;
let engine: ScriptedEngine;
let cli: CliHarness;
beforeEach(async () => {
  registry = await startRegistry();
  const RepoDigests = [`${registry.host}/team/origin@${sparse.digest}`];
  const description = { ...sparse.description, RepoDigests };
  engine = await startEngine('containerd', { 'team/app:1': { ...sparse, description } });
  cli = await CliHarness.make({ env: { DOCKER_HOST: engine.host } });
  await pushImage(registry.url, 'team/origin', undefined, arm64);
});
afterEach(() => registry.close());

test('--missing fill asks the repositories that the engine names', async () => {
  const target = `${registry.host}/team/app:v1`;
  const { code, stdout, stderr } = await cli.run(['copy', 'docker-daemon:team/app:1', target, '--missing', 'fill']);
  expect([code, stdout, stderr]).toEqual([0, `${sparse.digest}\n`, expect.not.stringContaining('warning')]);
  await expectWhole(registry.url, 'team/app', 'v1');
  const list = `${registry.host}/team/list:v1`;
  await cli.must('create', list, 'docker-daemon:team/app:1', '--missing', 'fill');
  expect(await cli.must('push', list)).toBe(sparse.digest);
  await expectWhole(registry.url, 'team/list', 'v1');
});

test('an engine is asked for what an archive lacks', async () => {
  await writeSavedArchive(join(cli.folder, 'arm64.tar'), { index, content: [arm64] });
  const line = ['copy', 'oci-archive:arm64.tar', `${registry.host}/team/app:v1`, '--missing', 'fill'];
  expect(await cli.must(...line, '--fill-from', 'docker-daemon:team/app:1')).toBe(sparse.digest);
  await expectWhole(registry.url, 'team/app', 'v1');
});

test('create joins the parts of an engine and an archive', async () => {
  await writeSavedArchive(join(cli.folder, 'arm64.tar'), { index, content: [arm64] });
  const list = `${registry.host}/team/joined:v1`;
  const sources = ['docker-daemon:team/app:1', 'oci-archive:arm64.tar'];
  const { entries } = await cli.json<{ entries: { source: string }[] }>('create', list, ...sources);
  expect(entries.map(({ source }) => source)).toEqual(['docker-daemon:docker.io/team/app:1', 'oci-archive:arm64.tar']);
  expect(await cli.must('push', list)).toBe(sparse.digest);
  await expectWhole(registry.url, 'team/joined', 'v1');
});

test('show states what the engine has', async () => {
  const { entries } = await cli.json<{ entries: { available: boolean }[] }>('show', 'docker-daemon:team/app:1');
  expect(entries.map(({ available }) => available)).toEqual([true, false]);
});
