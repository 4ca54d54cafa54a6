import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { CliHarness } from '../support/cli-harness.ts';
import { programPath, startDockerRegistry, type Registry } from '../support/docker-registry.ts';
import { describeOnEngines, loadImage, mustCall, type RealEngine } from '../support/real-engines.ts';
import { startRegistry } from '../../src/server/start-registry.ts';

/** Images of real engines: Docker with the containerd store and with the classic store, and podman. */

/** Names are unique, because the engines keep images between runs. */
const run = `mlist-test-${process.pid}-${Date.now()}`;

let registry: Registry;
beforeAll(async () => {
  registry = await (programPath('docker-registry') === undefined ? startRegistry() : startDockerRegistry());
});
afterAll(() => registry.close());

const at = (name: string) => `${registry.host}/${run}/${name}`;

/** Pulls an image as `docker pull --platform` does. */
async function pull(engine: RealEngine, reference: string, platform: string): Promise<void> {
  const query = new URLSearchParams({ fromImage: reference, platform }).toString();
  await mustCall(engine, 'POST', `/images/create?${query}`);
}

describeOnEngines('the main job', (engine) => {
  const sources = ['amd64', 'arm64'].map((name) => `${engine.prefix}:${run}/${name}:1`);
  let cli: CliHarness;
  beforeAll(async () => {
    for (const architecture of ['amd64', 'arm64']) await loadImage(engine, `${run}/${architecture}:1`, architecture);
    cli = await CliHarness.make({ env: engine.env });
  });
  afterAll(async () => {
    for (const name of ['amd64', 'arm64'])
      await mustCall(engine, 'DELETE', `/images/docker.io/${run}/${name}:1?force=1`);
  });

  test('a list is created, annotated and pushed with its images, and pulled again for each platform', async () => {
    const list = at(engine.name);
    await cli.must('create', list, ...sources);
    await cli.must('annotate', '--arch', 'arm64', '--variant', 'v8');
    const digest = await cli.must('push');
    expect(await cli.must('digest', `docker://${list}`)).toBe(digest);
    await cli.must('validate', '--deep', `docker://${list}`);
    for (const platform of ['linux/amd64', 'linux/arm64']) {
      await pull(engine, `${list}:latest`, platform);
      const found = JSON.parse(await mustCall(engine, 'GET', `/images/${list}:latest/json`)) as {
        Architecture: string;
      };
      // The containerd store keeps both platforms, and describes that of the host.
      if (engine.name !== 'containerd') expect(`linux/${found.Architecture}`).toBe(platform);
    }
    await mustCall(engine, 'DELETE', `/images/${list}:latest?force=1`);
  });

  test('the digests are the same twice in a row', async () => {
    const digests = [];
    for (const name of ['first', 'second']) {
      const other = await CliHarness.make({ env: engine.env });
      await other.must('create', at(`${engine.name}-${name}`), ...sources);
      digests.push(await other.must('push'));
    }
    expect(digests[0]).toBe(digests[1]);
  });

  test('an image is copied, shown and validated', async () => {
    const [source = ''] = sources;
    const digest = await cli.must('copy', source, at(`${engine.name}-copy`));
    expect(await cli.must('show', source)).toContain(digest);
    await cli.must('validate', '--deep', source);
    expect(await cli.must('explain', source, '--platform', 'linux/amd64')).toContain(digest.slice(0, 19));
  });

  test('an image that does not exist ends with 4', async () => {
    const { code } = await cli.run(['show', `${engine.prefix}:${run}/missing:1`]);
    expect(code).toBe(4);
  });
});

describeOnEngines(
  'an image that was rebuilt under the same name',
  (engine) => {
    test('the pinned image is pushed, with a note', async () => {
      const cli = await CliHarness.make({ env: engine.env });
      const id = await loadImage(engine, `${run}/moved:1`, 'amd64');
      await cli.must('create', at(`${engine.name}-moved`), `${engine.prefix}:${run}/moved:1`);
      await loadImage(engine, `${run}/moved:1`, 's390x');
      const { code, stderr } = await cli.run(['push']);
      expect([code, stderr]).toEqual([0, expect.stringContaining('now refers to another image')]);
      const raw = await cli.must('inspect', `docker://${at(`${engine.name}-moved`)}`, '--platform', 'linux/amd64');
      expect((JSON.parse(raw) as { config: { digest: string } }).config.digest).toBe(id);
    });
  },
  ['classic', 'podman'],
);

describeOnEngines(
  'an image of the containerd store',
  (engine) => {
    test('has the digest that docker push gives it', async () => {
      const cli = await CliHarness.make({ env: engine.env });
      await loadImage(engine, `${run}/pushed:1`, 'amd64');
      const digest = await cli.must('copy', `docker-daemon:${run}/pushed:1`, at('copied:1'));
      const query = new URLSearchParams({ repo: at('pushed'), tag: '1' }).toString();
      await mustCall(engine, 'POST', `/images/${run}/pushed:1/tag?${query}`);
      const headers = { 'X-Registry-Auth': Buffer.from('{}').toString('base64') };
      await mustCall(engine, 'POST', `/images/${at('pushed')}/push?tag=1`, { headers });
      expect(await cli.must('digest', `docker://${at('pushed:1')}`)).toBe(digest);
    });
  },
  ['containerd'],
);
