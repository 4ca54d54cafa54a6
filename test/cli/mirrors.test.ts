import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { cleanup } from '../support/cleanup.ts';
import { CliHarness, type CliResult } from '../support/cli-harness.ts';
import { makeImage, sha256 } from '../support/images.ts';
import { expectFits } from '../support/schemas.ts';
import {
  broken,
  ScriptedHosts,
  serve,
  silent,
  status,
  wrongContent,
  type HostRule,
  type ScriptedHost,
} from '../support/scripted-hosts.ts';

const image = makeImage({ kind: 'oci' });
const other = makeImage({ kind: 'oci', salt: 'other' });
const large = makeImage({ kind: 'oci', noise: 300_000 });
const noise = large.blobs.find(({ length }) => length === 300_000)!;

/** The registry reg.test, its mirrors m1.test and m2.test, and a command line that uses them. */
class Scene {
  readonly hosts: ScriptedHosts;
  readonly cli: CliHarness;

  private constructor(hosts: ScriptedHosts, cli: CliHarness) {
    this.hosts = hosts;
    this.cli = cli;
  }

  /** By default, every host serves the image. */
  static async make(hosts: Readonly<Record<string, ScriptedHost>>): Promise<Scene> {
    const all = { 'reg.test': { image }, 'm1.test': { image }, 'm2.test': { image }, ...hosts };
    return new Scene(cleanup(await ScriptedHosts.start(all)), await CliHarness.make());
  }

  async run(...args: readonly string[]): Promise<CliResult> {
    const mirrors = ['--mirror', 'reg.test=http://m1.test,http://m2.test', '--plain-http', 'reg.test'];
    return this.runBare(...args, ...mirrors);
  }

  async runBare(...args: readonly string[]): Promise<CliResult> {
    const limits = ['--retries', '0', ...(args.includes('--timeout') ? [] : ['--timeout', '2s'])];
    return this.cli.run([...args, ...limits], { env: this.hosts.env });
  }

  async write(path: string, text: string): Promise<string> {
    const absolute = join(this.cli.folder, path);
    await mkdir(dirname(absolute), { recursive: true });
    await writeFile(absolute, text);
    return absolute;
  }

  async logIn(...hosts: readonly string[]): Promise<void> {
    const auths = hosts.map((host): [string, object] => [
      host,
      { auth: Buffer.from(`user of ${host}:secret-of-${host}`).toString('base64') },
    ]);
    await this.write('.docker/config.json', JSON.stringify({ auths: Object.fromEntries(auths) }));
  }
}

const byDigest = `reg.test/a@${image.digest}`;
const html = wrongContent('text/html', '<html>log in</html>');

describe('a mirror that fails', () => {
  const faults: readonly (readonly [string, HostRule, RegExp])[] = [
    ['breaks the connection', broken, /closed the connection unexpectedly/],
    ['does not answer', silent, /did not respond in time/],
    ['lacks the content', status(404), /lacks content/],
    ['answers 500', status(500), /server error/],
    ['answers 429', status(429), /limits the rate/],
    ['denies access', status(403), /denies anonymous access/],
    ['sends a page', html, /m1\.test is not used/],
    ['redirects to a private address', status(307, { location: 'http://127.0.0.1:1/' }), /private network/],
    ['redirects without end', status(307, { location: '/v2/' }), /too many redirects/],
  ];
  describe.each([
    ['by tag', 'reg.test/a:1'],
    ['by digest', byDigest],
  ])('%s', (_kind, reference) => {
    test.each(faults)('%s: the next one is asked, with one note', async (_name, rule, reason) => {
      const scene = await Scene.make({ 'm1.test': { rule } });
      const { code, stdout, stderr } = await scene.run('inspect', '--raw', reference, '--timeout', '400ms');
      expect({ code, stderr }).toMatchObject({ code: 0 });
      expect(Buffer.from(stdout)).toEqual(image.bytes);
      expect(scene.hosts.hostsOf('GET', /manifests/)).toEqual(['m1.test', 'm2.test']);
      expect(stderr).toMatch(reason);
      expect(stderr.match(/mirror m1\.test/g)).toHaveLength(1);
    });
  });

  test('because its content is wrong is not used', async () => {
    const scene = await Scene.make({ 'm1.test': { rule: wrongContent(image.mediaType, '{}') } });
    const { code, stdout, stderr } = await scene.run('inspect', '--raw', byDigest);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(Buffer.from(stdout)).toEqual(image.bytes);
    expect(stderr).toContain('mirror m1.test is not used: ');
  });

  test('is not asked again by the same command', async () => {
    const scene = await Scene.make({ 'm1.test': { rule: status(500) } });
    const { code } = await scene.run('copy', byDigest, 'oci:there:1');
    expect(code).toBe(0);
    expect(scene.hosts.to('m1.test')).toHaveLength(1);
    expect(scene.hosts.to('m2.test').length).toBeGreaterThan(2);
    expect(scene.hosts.to('reg.test')).toEqual([]);
  });

  test('is asked for other content if it lacks some', async () => {
    const lacksManifests: HostRule = ({ path }, response) =>
      path.includes('/manifests/') && status(404)({} as never, response);
    const scene = await Scene.make({ 'm1.test': { image, rule: lacksManifests } });
    const { code } = await scene.run('copy', byDigest, 'oci:there:1');
    expect(code).toBe(0);
    expect(scene.hosts.hostsOf('GET', /blobs/)).toEqual(['m1.test']);
  });

  test('does not end the command if the registry fails, too: its error is reported', async () => {
    const scene = await Scene.make({
      'm1.test': {},
      'm2.test': { rule: status(500) },
      'reg.test': { rule: status(500) },
    });
    const { code, stderr } = await scene.run('inspect', byDigest);
    expect(code).toBe(7);
    expect(stderr).toContain(`cannot read ${byDigest}: reg.test reported a server error`);
  });

  test.each([
    ['breaks the connection', broken],
    ['does not answer', silent],
  ])('is proposed for docker.io if that %s, but not for another registry', async (_name, rule) => {
    const scene = await Scene.make({ 'registry-1.docker.io': { rule }, 'reg.test': { rule } });
    const run = async (...args: readonly string[]) =>
      scene.runBare(...args, '--plain-http', 'docker.io', '--plain-http', 'reg.test', '--timeout', '500ms');
    const hint = '--mirror docker.io=URL';
    const read = await run('inspect', 'docker://alpine');
    expect([read.code, read.stderr]).toEqual([7, expect.stringContaining(hint)]);
    expect((await run('inspect', byDigest)).stderr).not.toContain(hint);
  });

  test('and a registry without the content: not found', async () => {
    const scene = await Scene.make({ 'm1.test': {}, 'm2.test': { rule: status(500) }, 'reg.test': {} });
    expect((await scene.run('inspect', 'reg.test/a:1')).code).toBe(4);
  });
});

describe('blobs', () => {
  const blobPath = new RegExp(`/blobs/${sha256(noise)}$`);

  test('with wrong content are read again from the next host', async () => {
    const wrong = Buffer.from(noise);
    wrong[wrong.length - 1]! ^= 1;
    const rule: HostRule = ({ method, path }, response) => {
      if (method !== 'GET' || !blobPath.test(path)) return false;
      response.writeHead(200, { 'content-length': wrong.length }).end(wrong);
      return true;
    };
    const scene = await Scene.make({ 'm1.test': { image: large, rule }, 'm2.test': { image: large } });
    const { code, stderr } = await scene.run('copy', `reg.test/a@${large.digest}`, 'oci:there:1');
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stderr).toMatch(/mirror m1\.test is not used: .* does not match the digest/);
    expect(await scene.cli.run(['validate', '--deep', 'oci:there:1'])).toMatchObject({ code: 0 });
  });

  test('that break off are continued by the next host', async () => {
    const rule: HostRule = ({ method, path }, response) => {
      if (method !== 'GET' || !blobPath.test(path)) return false;
      response.writeHead(200, { 'content-length': noise.length });
      response.write(noise.subarray(0, 100_000), () => setImmediate(() => response.destroy()));
      return true;
    };
    const scene = await Scene.make({ 'm1.test': { image: large, rule }, 'm2.test': { image: large } });
    const { code, stderr } = await scene.run('copy', `reg.test/a@${large.digest}`, 'oci:there:1');
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const [request] = scene.hosts.to('m2.test').filter(({ path }) => blobPath.test(path));
    expect(request?.headers.range).toMatch(/^bytes=[1-9]\d*-$/);
    expect(await scene.cli.run(['validate', '--deep', 'oci:there:1'])).toMatchObject({ code: 0 });
  });
});

describe('a tag', () => {
  test('that the registry confirms is not reported', async () => {
    const scene = await Scene.make({});
    const { code, stdout, stderr } = await scene.run('digest', 'reg.test/a:1');
    expect([code, stdout.trim()]).toEqual([0, image.digest]);
    expect(stderr).not.toContain('mirror');
    expect(scene.hosts.hostsOf('GET', /manifests/)).toEqual(['m1.test']);
    expect(scene.hosts.hostsOf('HEAD', /manifests/)).toEqual(['reg.test']);
  });

  test.each([
    ['does not answer', silent],
    ['answers 500', status(500)],
    ['does not have it', status(404)],
  ])('is reported if the registry %s', async (_name, rule) => {
    const scene = await Scene.make({ 'reg.test': { rule } });
    const { code, stderr } = await scene.run('show', 'reg.test/a:1', '--timeout', '300ms');
    expect(code).toBe(0);
    expect(stderr).toContain('from mirror m1.test: reg.test/a:1\n');
  });

  test.each(['digest', 'inspect', 'show', 'resolve', 'exists'])('with --json of %s', async (command) => {
    const scene = await Scene.make({ 'reg.test': { rule: status(503) } });
    const { code, stdout, stderr } = await scene.run(command, 'reg.test/a:1', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ mirror: 'm1.test' });
    expectFits(command, stdout);
    const lines = stderr.trimEnd().split('\n');
    for (const line of lines) expectFits('event', line);
    expect(lines.map((line) => JSON.parse(line) as object)).toContainEqual({
      type: 'mirror',
      ref: 'reg.test/a:1',
      mirror: 'm1.test',
    });
  });

  test('with --json of copy', async () => {
    const scene = await Scene.make({ 'reg.test': { rule: status(503) } });
    const { stdout } = await scene.run('copy', 'reg.test/a:1', 'oci:there:1', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ source: 'reg.test/a:1', mirror: 'm1.test' });
    expectFits('copy', stdout);
  });

  test.each(['digest', 'exists', 'show'])(
    'that is stale at the mirror has the digest of the registry: %s',
    async (command) => {
      const scene = await Scene.make({ 'm1.test': { image: other } });
      const { code, stdout, stderr } = await scene.run(command, 'reg.test/a:1');
      expect(code).toBe(0);
      expect(stderr).toContain(
        `mirror m1.test has ${other.digest} for reg.test/a:1, but the registry has ${image.digest}`,
      );
      if (command === 'digest') expect(stdout.trim()).toBe(image.digest);
      // The content comes from the next mirror that has the digest of the registry.
      if (command === 'show')
        expect(scene.hosts.hostsOf('GET', new RegExp(image.digest))).toEqual(['m1.test', 'm2.test']);
    },
  );

  test('waits once for a registry that does not answer', async () => {
    const scene = await Scene.make({ 'reg.test': { rule: silent } });
    const { code } = await scene.run(
      'create',
      'x.test/l:1',
      'reg.test/a:1',
      'reg.test/b:1',
      '--timeout',
      '300ms',
      '--concurrency',
      '1',
    );
    expect(code).toBe(0);
    const repeated = await scene.run('copy', 'reg.test/a:1', 'oci:there:1', '--timeout', '300ms');
    expect(repeated.code).toBe(0);
    expect(scene.hosts.to('reg.test').filter(({ path }) => path.includes('/a/'))).toHaveLength(2);
  });

  test('lists of tags come from the registry, or else from a mirror', async () => {
    const rule: HostRule = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"name":"a","tags":["2"]}');
      return true;
    };
    const scene = await Scene.make({ 'reg.test': { rule } });
    expect(await scene.run('tags', 'reg.test/a')).toMatchObject({ code: 0, stdout: '2\n', stderr: '' });
    const down = await Scene.make({ 'reg.test': { rule: broken } });
    const { code, stdout, stderr } = await down.run('tags', 'reg.test/a');
    expect({ code, stdout }).toEqual({ code: 0, stdout: '1\n' });
    expect(stderr).toContain('from mirror m1.test: reg.test/a\n');
  });
});

describe('a host is chosen for each request: the tag comes from the registry, the content from the mirror', () => {
  test.each([
    [
      'mirror-by-digest-only',
      '.config/containers/registries.conf',
      '[[registry]]\nlocation = "reg.test"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "m1.test"\n',
    ],
    [
      'capabilities without resolve',
      'etc/docker/certs.d/reg.test/hosts.toml',
      '[host."http://m1.test"]\ncapabilities = ["pull"]\n',
    ],
  ])('%s', async (_name, path, text) => {
    const scene = await Scene.make({});
    await scene.write(path, text);
    const plain = ['--plain-http', 'reg.test', '--plain-http', 'm1.test'];
    const { code, stderr } = await scene.runBare('copy', 'reg.test/a:1', 'oci:there:1', ...plain);
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('mirror')]);
    expect(scene.hosts.hostsOf('GET', /manifests/)).toEqual(['reg.test']);
    expect(scene.hosts.hostsOf('GET', /blobs/)).toEqual(['m1.test']);
  });
});

describe('credentials', () => {
  test('of the registry go to no mirror, and those of a mirror to no other host', async () => {
    const scene = await Scene.make({
      'm1.test': { image, requiresLogin: true },
      'm2.test': { image, requiresLogin: true },
      'reg.test': { image, requiresLogin: true },
    });
    await scene.logIn('reg.test', 'm2.test');
    const { code, stderr } = await scene.run('digest', 'reg.test/a:1');
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const users = scene.hosts.requests.flatMap(({ host, user }) => (user === undefined ? [] : [`${host}: ${user}`]));
    expect([...new Set(users)].sort()).toEqual(['m2.test: user of m2.test', 'reg.test: user of reg.test']);
    expect(stderr).toMatch(/mirror m1\.test is not used for a: .* requires a login/);
  });

  test('are not sent along a redirect of a mirror', async () => {
    const rule: HostRule = ({ path }, response) =>
      status(307, { location: `http://cdn.test${path}` })({} as never, response);
    const scene = await Scene.make({ 'm1.test': { requiresLogin: true, rule }, 'cdn.test': { image } });
    await scene.logIn('m1.test', 'cdn.test', 'reg.test');
    const { code } = await scene.run('inspect', byDigest);
    expect(code).toBe(0);
    expect(scene.hosts.to('cdn.test').map(({ headers }) => headers.authorization)).toEqual([undefined]);
    expect(scene.hosts.to('reg.test')).toEqual([]);
  });

  test('are not sent over plain http that only another tool permits', async () => {
    const scene = await Scene.make({
      'm1.test': { image, requiresLogin: true },
      'reg.test': { image, requiresLogin: true },
    });
    await scene.logIn('m1.test', 'reg.test');
    await scene.write(
      '.config/containers/registries.conf',
      '[[registry]]\nlocation = "reg.test"\ninsecure = true\n[[registry.mirror]]\nlocation = "m1.test"\ninsecure = true\n',
    );
    const { code, stderr } = await scene.runBare('inspect', byDigest);
    expect(code).toBe(6);
    expect(stderr).toContain('No credentials were sent, because the connection is not verified.');
    expect(scene.hosts.requests.map(({ headers }) => headers.authorization)).not.toContain(expect.anything());
    expect(scene.hosts.hostsOf('GET')).toEqual(['m1.test', 'reg.test']);
    expect((await scene.runBare('inspect', byDigest, '--insecure')).code).toBe(0);
    expect(scene.hosts.to('m1.test').at(-1)).toMatchObject({ user: 'user of m1.test' });
  });

  test('in headers of hosts.toml go to their host only, and over plain http only if they do not authenticate', async () => {
    const scene = await Scene.make({});
    await scene.write(
      'etc/containerd/certs.d/reg.test/hosts.toml',
      '[host."http://m1.test".header]\nx-team = "blue"\nauthorization = "Bearer hidden-token"\n',
    );
    const { code, stderr } = await scene.runBare('inspect', byDigest, '--debug');
    expect(code).toBe(0);
    expect(scene.hosts.to('m1.test').map(({ headers }) => [headers['x-team'], headers.authorization])).toEqual([
      ['blue', undefined],
    ]);
    expect(stderr).not.toContain('hidden-token');
  });
});

describe('plain http', () => {
  test.each([
    ['insecure-registries', 'etc/docker/daemon.json', '{"insecure-registries":["reg.test"]}'],
    [
      'insecure of the registry',
      '.config/containers/registries.conf',
      '[[registry]]\nlocation = "reg.test"\ninsecure = true\n',
    ],
    [
      'insecure of a wildcard',
      '.config/containers/registries.conf',
      '[[registry]]\nprefix = "*.test"\ninsecure = true\n',
    ],
    [
      'insecure of a part',
      '.config/containers/registries.conf',
      '[[registry]]\nlocation = "reg.test/a"\ninsecure = true\n',
    ],
  ])('is permitted without credentials by %s', async (_name, path, text) => {
    const scene = await Scene.make({});
    await scene.write(path, text);
    expect((await scene.runBare('digest', 'reg.test/a:1')).code).toBe(0);
    expect(scene.hosts.requests.every(({ scheme }) => scheme === 'http')).toBe(true);
    expect((await scene.runBare('digest', 'reg.test/a:1', '--no-mirrors')).code).toBe(7);
  });

  test('of a part of a registry is not permitted for other parts', async () => {
    const scene = await Scene.make({});
    await scene.write('.config/containers/registries.conf', '[[registry]]\nlocation = "reg.test/a"\ninsecure = true\n');
    expect((await scene.runBare('digest', 'reg.test/b:1')).code).toBe(7);
    expect(scene.hosts.requests).toEqual([]);
  });
});

describe('configuration', () => {
  const conf = '.config/containers/registries.conf';
  test.each([
    ['invalid TOML', conf, '[[registry]]\nlocation = "reg.test"\nblocked =\n', 3],
    [
      'a repeated table',
      'etc/containerd/certs.d/reg.test/hosts.toml',
      '[host."http://m1.test"]\n[host."http://m1.test"]\n',
      2,
    ],
    [
      'an unknown capability',
      'etc/containerd/certs.d/reg.test/hosts.toml',
      '\n[host."http://m1.test"]\ncapabilities = ["eat"]\n',
      2,
    ],
    ['a wrong type', conf, '\n[[registry]]\nlocation = 5\n', 2],
    ['a location with a password', conf, '[[registry]]\nprefix = "reg.test"\nlocation = "me:hidden@m1.test"\n', 1],
    [
      'a mirror with a query',
      conf,
      '[[registry]]\nlocation = "reg.test"\n[[registry.mirror]]\nlocation = "m1.test/?"\n',
      1,
    ],
    ['a location that leaves its path', conf, '[[registry]]\nprefix = "reg.test"\nlocation = "m1.test/a/../b"\n', 1],
    ['a location with an invalid port', conf, '[[registry]]\nprefix = "reg.test"\nlocation = "m1.test:99999"\n', 1],
    [
      'both digest settings',
      conf,
      '[[registry]]\nlocation = "reg.test"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "m"\npull-from-mirror = "all"\n',
      1,
    ],
    ['invalid JSON', 'etc/docker/daemon.json', '{\n "registry-mirrors": [\n}', 3],
    ['a mirror with a password', 'etc/docker/daemon.json', '{\n "registry-mirrors": ["https://me:hidden@m1.test"]}', 2],
  ])('that is invalid ends the command with 2, naming file and line: %s', async (_name, path, text, line) => {
    const scene = await Scene.make({});
    const file = await scene.write(path, text);
    const { code, stderr } = await scene.runBare('digest', 'reg.test/a:1', '--plain-http', 'reg.test');
    expect({ code, stderr }).toMatchObject({ code: 2 });
    expect(stderr).toContain(`${file}:${line} cannot be used: `);
    expect(stderr).not.toContain('hidden');
    expect(scene.hosts.requests).toEqual([]);
    expect((await scene.runBare('digest', 'reg.test/a:1', '--plain-http', 'reg.test', '--no-mirrors')).code).toBe(0);
  });

  test('blocks a registry for reads and writes, but not the longer prefix', async () => {
    const scene = await Scene.make({});
    const file = await scene.write(
      conf,
      '[[registry]]\nlocation = "reg.test"\nblocked = true\n[[registry]]\nprefix = "reg.test/open"\nlocation = "reg.test/open"\n',
    );
    const plain = ['--plain-http', 'reg.test', '--plain-http', 'm1.test'];
    const results = [
      await scene.runBare('digest', 'reg.test/a:1', ...plain),
      await scene.runBare('tags', 'reg.test/a', ...plain),
      await scene.runBare('copy', 'm1.test/a:1', 'reg.test/a:1', ...plain),
      await scene.runBare('delete', 'reg.test/a:1', ...plain),
    ];
    for (const { code, stderr } of results) {
      expect({ code, stderr }).toMatchObject({ code: 2 });
      expect(stderr).toContain(`reg.test/a is blocked by ${file}:1, prefix "reg.test"`);
    }
    expect(scene.hosts.to('reg.test')).toEqual([]);
    expect((await scene.runBare('digest', 'reg.test/open/a:1', ...plain)).code).toBe(0);
  });

  test('of version 1 blocks and permits registries, too', async () => {
    const scene = await Scene.make({});
    const lists = '[registries.insecure]\nregistries = ["m1.test"]\n[registries.block]\nregistries = ["reg.test"]\n';
    await scene.write(conf, lists);
    expect((await scene.runBare('digest', 'reg.test/a:1')).code).toBe(2);
    expect((await scene.runBare('digest', 'm1.test/a:1')).code).toBe(0);
    await scene.write(conf, `${lists}[[registry]]\nlocation = "m2.test"\n`);
    expect((await scene.runBare('digest', 'm1.test/a:1')).code).toBe(2);
  });

  test('that is not valid does not matter to commands that access no registry', async () => {
    const scene = await Scene.make({});
    await scene.write(conf, '[[registry');
    expect(await scene.runBare('ls')).toMatchObject({ code: 0, stderr: '' });
  });

  test('that results in an invalid name ends the command with 2', async () => {
    const scene = await Scene.make({});
    const file = await scene.write(conf, '[[registry]]\nprefix = "reg.test"\nlocation = "m1.test:5000"\n');
    const { code, stderr } = await scene.runBare('digest', 'reg.test:6000/a:1');
    expect({ code, stderr }).toMatchObject({ code: 2 });
    expect(stderr).toContain(
      `${file}:1, prefix "reg.test" rewrites a reference to an invalid repository name: m1.test:5000:6000/a`,
    );
  });

  test('that lets no host serve content by digest ends the command with 2', async () => {
    const scene = await Scene.make({});
    await scene.write(
      'etc/containerd/certs.d/reg.test/hosts.toml',
      'server = "http://reg.test"\ncapabilities = ["resolve"]\n[host."http://m1.test"]\ncapabilities = ["resolve"]\n',
    );
    for (const line of [
      ['inspect', byDigest],
      ['copy', 'reg.test/a:1', 'oci:there:1'],
    ]) {
      const { code, stderr } = await scene.runBare(...line);
      expect([code, stderr]).toEqual([
        2,
        expect.stringMatching(/cannot read reg\.test\/a@sha256:\w+: no configured host has the capability to serve it/),
      ]);
    }
  });

  // If each line were searched for from the start of the file, this would take minutes.
  test.each([
    ['registries.conf', conf, '[[registry]]\n'.repeat(70_000)],
    [
      'hosts.toml',
      'etc/containerd/certs.d/reg.test/hosts.toml',
      `server = 5\n${Array.from({ length: 30_000 }, (_, at) => `[host."http://${at}.test"]\n`).join('')}`,
    ],
  ])(
    'with as many tables as fit into a file is refused in time: %s',
    async (_name, path, text) => {
      const scene = await Scene.make({});
      const file = await scene.write(path, text);
      const { code, stderr } = await scene.runBare('digest', 'reg.test/a:1');
      expect([code, stderr]).toEqual([2, expect.stringContaining(`${file}:1 cannot be used`)]);
    },
    30_000,
  );

  test('with a repeated prefix uses the last rule', async () => {
    const scene = await Scene.make({});
    await scene.write(
      conf,
      ['m1.test', 'm2.test']
        .map((mirror) => `[[registry]]\nlocation = "reg.test"\n[[registry.mirror]]\nlocation = "${mirror}"\n`)
        .join(''),
    );
    expect((await scene.runBare('inspect', byDigest, '--plain-http', 'm2.test')).code).toBe(0);
    expect(scene.hosts.hostsOf('GET')).toEqual(['m2.test']);
  });

  test('names the file and the rule of a host with --debug', async () => {
    const scene = await Scene.make({});
    const file = await scene.write('etc/containerd/certs.d/reg.test/hosts.toml', '\n[host."http://m1.test"]\n');
    const { stderr } = await scene.runBare('inspect', byDigest, '--debug');
    expect(stderr).toMatch(
      new RegExp(`debug: GET http://m1\\.test/v2/a/manifests/\\S+ 200 .* chosen by ${file}:2, host "m1.test"`),
    );
  });

  test('is ignored by MLIST_NO_MIRRORS, and replaced by --mirror and MLIST_MIRRORS for their host', async () => {
    const scene = await Scene.make({});
    await scene.write('etc/containerd/certs.d/reg.test/hosts.toml', '[host."http://m1.test"]\n');
    const run = (env: Readonly<Record<string, string>>, ...more: readonly string[]) =>
      scene.cli.run(['inspect', byDigest, '--plain-http', 'reg.test', ...more], {
        env: { ...scene.hosts.env, ...env },
      });
    const asked: string[] = [];
    for (const [env, ...more] of [
      [{}],
      [{ MLIST_MIRRORS: 'other.test=http://m1.test reg.test=http://m2.test' }],
      [{ MLIST_NO_MIRRORS: '1', MLIST_MIRRORS: 'reg.test=http://m2.test' }],
      [{ MLIST_NO_MIRRORS: '1' }, '--mirror', 'reg.test=http://m2.test'],
      [{ MLIST_MIRRORS: 'reg.test=http://m2.test' }, '--no-mirrors'],
    ] as const) {
      const before = scene.hosts.requests.length;
      expect((await run(env, ...more)).code).toBe(0);
      asked.push(scene.hosts.requests[before]!.host);
    }
    expect(asked).toEqual(['m1.test', 'm2.test', 'reg.test', 'm2.test', 'reg.test']);
  });

  test.each([
    ['reg.test'],
    ['=http://m1.test'],
    ['reg.test='],
    ['reg.test=ftp://m1.test'],
    ['reg.test=https://me:hidden@m1.test'],
    ['reg.test=https://m1.test?x=hidden'],
    ['app=https://m1.test'],
  ])('of an invalid --mirror ends with 2: %s', async (value) => {
    const scene = await Scene.make({});
    const { code, stderr } = await scene.runBare('digest', 'reg.test/a:1', '--mirror', value);
    expect(code).toBe(2);
    expect(stderr).toContain('--mirror: ');
    expect(stderr).not.toContain('hidden');
  });

  test('contradicts itself with --mirror and --no-mirrors', async () => {
    const scene = await Scene.make({});
    expect((await scene.run('digest', 'reg.test/a:1', '--no-mirrors')).code).toBe(2);
  });

  test.each([
    ['http://m1.test', '/v2/a/manifests/'],
    ['http://m1.test/hub', '/hub/v2/a/manifests/'],
    ['http://m1.test/v2/hub', '/v2/hub/a/manifests/'],
  ])('of the path of a mirror: %s', async (url, path) => {
    const scene = await Scene.make({ 'm1.test': { image } });
    expect((await scene.runBare('inspect', byDigest, '--mirror', `reg.test=${url}`)).code).toBe(0);
    expect(scene.hosts.to('m1.test')).toMatchObject([{ path: `${path}${image.digest}`, query: 'ns=reg.test' }]);
  });
});

test('a mirror whose pages of tags have links keeps its path and ns', async () => {
  const rule: HostRule = (request, response) => {
    if (!request.path.endsWith('/tags/list')) return (serve(image, request, response), true);
    const isFirst = !request.query.includes('last=');
    const headers = isFirst ? { link: '</v2/a/tags/list?last=1&n=1>; rel="next"' } : {};
    response.writeHead(200, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify({ name: 'a', tags: [isFirst ? '1' : '2'] }));
    return true;
  };
  const scene = await Scene.make({ 'm1.test': { rule }, 'reg.test': { rule: broken } });
  const { stdout } = await scene.runBare(
    'tags',
    'reg.test/a',
    '--mirror',
    'reg.test=http://m1.test/hub',
    '--plain-http',
    'reg.test',
  );
  expect(stdout).toBe('1\n2\n');
  expect(scene.hosts.to('m1.test').map(({ path, query }) => `${path}?${query}`)).toEqual([
    '/hub/v2/a/tags/list?n=1000&ns=reg.test',
    '/hub/v2/a/tags/list?last=1&n=1&ns=reg.test',
  ]);
});
