import { randomBytes } from 'node:crypto';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { afterAll, expect } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { answer, RecordingProxy, type Rule } from './recording-proxy.ts';
import { entryOf, getManifest, makeImage, makeIndex, pushImage, putManifest, sha256, type Image } from './images.ts';
import { withTimeLimit } from './limits.ts';
import { CliHarness, type CliResult } from './cli-harness.ts';

/**
 * The environment for tests of attacks: a registry that requires a login and follows the rules of an attack, another
 * server that records requests, and a CLI with the login of the registry. The current folder of the CLI is `work/`; files
 * outside it must not change.
 */
const username = 'me';
export const password = 'correct-horse-battery-staple';
const login = Buffer.from(`${username}:${password}`).toString('base64');

const platform = { os: 'linux', architecture: 'amd64' };
/** The last layer is large enough to be uploaded in chunks. */
export const image = withLargeLayer(makeImage({ salt: 'attacked', kind: 'oci', platform }));
export const other = makeImage({ salt: 'other', kind: 'oci', platform });
export const list = makeIndex([entryOf(image, platform)]);

function withLargeLayer(small: Image): Image {
  const large = randomBytes(3 * 1024 * 1024);
  const document = JSON.parse(small.bytes.toString()) as { layers: object[] };
  const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip';
  const layers = [...document.layers, { mediaType, size: large.length, digest: sha256(large) }];
  const bytes = Buffer.from(JSON.stringify({ ...document, layers }));
  return { ...small, bytes, digest: sha256(bytes), blobs: [...small.blobs, large] };
}

const requireLogin = answer(401, { 'www-authenticate': 'Basic realm="x"' });

/** Applies a rule to requests with credentials, and answers 401 to others. */
function loggedIn(rule: Rule): Rule {
  return (exchange) => (exchange.seen.headers.authorization === undefined ? requireLogin : rule)(exchange);
}

export class AttackHarness {
  readonly cli: CliHarness;
  /** The registry behind the hostile one. It requires no login. */
  readonly honest: RunningRegistry;
  readonly proxy: RecordingProxy;
  readonly otherServer: RecordingProxy;

  private constructor(cli: CliHarness, honest: RunningRegistry, proxy: RecordingProxy, otherServer: RecordingProxy) {
    this.cli = cli;
    this.honest = honest;
    this.proxy = proxy;
    this.otherServer = otherServer;
  }

  /** The current folder of commands. */
  get work(): string {
    return join(this.cli.folder, 'work');
  }

  static async start(): Promise<AttackHarness> {
    const honest = unchanged ?? (await startHonest());
    const proxy = await RecordingProxy.start({ upstream: honest.url });
    proxy.on(
      /./,
      loggedIn((exchange) => exchange.pass()),
    );
    const otherServer = await RecordingProxy.start();
    otherServer.on(/./, answer(200));
    const auths = { [proxy.host]: { auth: login } };
    const cli = await CliHarness.make({ env: { DOCKER_AUTH_CONFIG: JSON.stringify({ auths }) } });
    await mkdir(join(cli.folder, 'work'));
    return new AttackHarness(cli, honest, proxy, otherServer);
  }

  /** Applies a rule of the hostile registry to matching requests with the login, or to all matching requests. */
  arm(pattern: RegExp, rule: Rule, everybody = false): void {
    this.proxy.on(pattern, everybody ? rule : loggedIn(rule));
  }

  /** Runs a command, which must end before its deadline. */
  async run(
    args: readonly string[],
    more: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<CliResult & { readonly errors: readonly string[] }> {
    const options = [...args, ...more];
    const limits = { '--retries': '0', '--timeout': '2m', '--deadline': '4m' };
    const missing = Object.entries(limits).filter(([option]) => !options.includes(option));
    const result = await this.cli.run([...options, ...missing.flat(), '--json', '--debug'], {
      cwd: this.work,
      env: { ...this.cli.options.env, ...env },
    });
    const lines = result.stderr.split('\n').filter((line) => line.startsWith('{'));
    const events = lines.map((line) => JSON.parse(line) as { type: string; code?: string; message?: string });
    const errors = events.filter(({ type }) => type === 'error');
    expect(errors.map(({ message }) => message).join()).not.toMatch(/the command did not finish within/);
    return { ...result, errors: errors.map(({ code = '' }) => code.replace('ERR_MLIST_', '')) };
  }

  /**
   * Runs a command with a time limit against a registry that does not answer certain requests.
   * @param patterns - requests that the registry must have received
   */
  async untilRequested<T>(patterns: readonly RegExp[], run: (limit: string) => Promise<T>): Promise<T> {
    return withTimeLimit(async (limit) => {
      const result = await run(limit);
      return patterns.every((pattern) => this.proxy.requestsMatching(pattern).length > 0) ? result : undefined;
    });
  }

  /** Checks that neither other servers nor the output received the login. */
  expectNoLeak({ stdout, stderr }: CliResult, otherServers: readonly RecordingProxy[] = [this.otherServer]): void {
    const seen = otherServers.flatMap((one) =>
      one.requests.map(({ path, headers }) => JSON.stringify({ path, headers })),
    );
    for (const text of [...seen, stdout, stderr]) {
      expect(text).not.toContain(password);
      expect(text).not.toContain(login);
    }
  }

  /** Checks that the commands created no tag in the registry and no name in the layout. */
  async expectNothingNamed(): Promise<void> {
    expect(await getManifest(this.honest.url, 'team/new', 'v1')).toBeUndefined();
    const { code } = await this.cli.run(['exists', 'oci:there:v1'], { cwd: this.work });
    expect(code).toBe(4);
  }

  /** The files outside the current folder and the workspace, with their sizes and times. */
  async surroundings(): Promise<readonly string[]> {
    const { folder } = this.cli;
    const names = (await readdir(folder, { recursive: true })).filter(
      (name) => !/^(?:work|\.local)(?:$|[\\/])/.test(name),
    );
    const facts = names.map(async (name) => {
      const { size, mtimeMs } = await stat(join(folder, name));
      return `${relative(folder, join(folder, name))} ${size} ${mtimeMs}`;
    });
    return (await Promise.all(facts)).sort();
  }

  async close(): Promise<void> {
    await this.proxy.close();
    await this.otherServer.close();
    if (this.honest !== unchanged) await this.honest.close();
  }
}

/** A registry with the attacked content that no test has changed yet. The next test uses it again. */
let unchanged: RunningRegistry | undefined;
afterAll(() => unchanged?.close());

async function startHonest(): Promise<RunningRegistry> {
  const registry = await startRegistry({
    intercept: ({ method = '' }) => {
      if (unchanged === registry && !/^(?:GET|HEAD)$/.test(method)) unchanged = undefined;
      return false;
    },
  });
  await pushImage(registry.url, 'team/app', undefined, image);
  await putManifest(registry.url, 'team/app', 'v1', list.mediaType, list.bytes);
  unchanged = registry;
  return registry;
}
