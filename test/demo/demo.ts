import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { makeImage, pushImage } from '../support/images.ts';

/**
 * The main job, shown: an embedded registry, two images, and the commands that make one list of them.
 * Ends with 1 where any step does not give what it must.
 */
const [program = '', folder = ''] = process.argv.slice(2);
const env = {
  ...process.env,
  MLIST_WORKSPACE: `${folder}/workspace`,
  MLIST_LIST: '',
  MLIST_NO_MIRRORS: '1',
  NO_COLOR: '1',
};

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function run(...args: readonly string[]): Promise<string> {
  say(`\n$ mlist ${args.join(' ')}`);
  const child = spawn(process.execPath, [program, ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const [code] = (await once(child, 'close')) as [number];
  const stdout = Buffer.concat(chunks).toString('utf8');
  process.stdout.write(stdout);
  if (code !== 0) throw new Error(`mlist ${args[0] ?? ''} ended with ${code}`);
  return stdout.trim();
}

function expectSame(what: string, found: string, wanted: string): void {
  if (found !== wanted) throw new Error(`${what}: ${found} instead of ${wanted}`);
}

say('An embedded registry, and an image for each of two machines, built elsewhere:');
say('\n$ mlist serve --addr 127.0.0.1:0');
const registry = spawn(process.execPath, [program, 'serve', '--addr', '127.0.0.1:0'], {
  env,
  stdio: ['ignore', 'pipe', 'inherit'],
});
try {
  const [url] = (await once(createInterface(registry.stdout), 'line')) as [string];
  say(url);
  const host = new URL(url).host;
  const images = {
    'linux/amd64': makeImage({ salt: 'amd64', platform: { architecture: 'amd64', os: 'linux' } }),
    'linux/arm64': makeImage({ salt: 'arm64', platform: { architecture: 'arm64', os: 'linux' } }),
  };
  await pushImage(url, 'username/x8664-test', 'latest', images['linux/amd64']);
  await pushImage(url, 'username/arm64v8-test', 'latest', images['linux/arm64']);

  const list = `${host}/username/test`;
  await run('create', list, `${host}/username/x8664-test`, `${host}/username/arm64v8-test`);
  await run('annotate', '--arch', 'arm64', '--variant', 'v8');
  await run('inspect');
  const digest = await run('push');

  say('\nThe content of the registry, and the image that a client of each platform gets:');
  await run('show', `docker://${list}`);
  expectSame('the digest in the registry', await run('digest', `docker://${list}`), digest);
  for (const [platform, image] of Object.entries(images)) {
    expectSame(
      `the image for ${platform}`,
      await run('resolve', `docker://${list}`, '--platform', platform),
      image.digest,
    );
  }
  say('\nThe demo is done: the list holds what was put into it.');
} finally {
  registry.kill();
}
