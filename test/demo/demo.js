// Shows what mlist does on an embedded registry, with the example images of the guides. Exits with 1 if a command does not give
// the expected result. Needs only Node and the built program.
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const program = join(root, 'dist/cli/mlist.js');
const folder = mkdtempSync(join(tmpdir(), 'mlist-demo-'));
/** Ends after the first push. */
const isShort = process.argv.includes('--short');
const isColoured = process.stdout.isTTY === true && !process.env.NO_COLOR;

// Nothing of the user's configuration is used or changed.
const env = {
  ...process.env,
  HOME: folder,
  USERPROFILE: folder,
  DOCKER_CONFIG: folder,
  MLIST_WORKSPACE: join(folder, 'workspace'),
  MLIST_LIST: '',
  MLIST_MIRRORS: '',
  MLIST_NO_MIRRORS: '1',
  NO_COLOR: '1',
  NODE_DISABLE_COMPILE_CACHE: '1',
};

const bold = (text) => (isColoured ? `\u001b[1m${text}\u001b[22m` : text);
const say = (text) => process.stdout.write(`${text}\n`);

let part = 0;
function title(text) {
  part += 1;
  say(`\n${bold(`${part}. ${text}`)}`);
}

const start = (args, stdio) => spawn(process.execPath, [program, ...args], { cwd: root, env, stdio });

/**
 * Runs a command, prints it and its output, and returns the last line. The exit code must be `code`.
 * @param {string} line - the arguments, separated by spaces
 */
async function mlist(line, { code = 0, input = '', shown = `mlist ${line}` } = {}) {
  say(`\n${bold(`$ ${shown}`)}`);
  // One file for both keeps the order in which a terminal would show stdout and stderr.
  const path = join(folder, 'output');
  const output = openSync(path, 'w');
  const child = start(line.split(' '), ['pipe', output, output]);
  child.stdin.on('error', () => undefined).end(input);
  const [exitCode] = await once(child, 'close');
  closeSync(output);
  const text = readFileSync(path, 'utf8');
  process.stdout.write(text);
  if (exitCode !== code) throw new Error(`mlist ${line} exited with ${exitCode}, not with ${code}`);
  if (code !== 0) say(`(exit code ${code})`);
  return text.trimEnd().split('\n').at(-1);
}

function expectSame(what, actual, expected) {
  if (actual !== expected) throw new Error(`${what} is ${actual}, not ${expected}`);
}

async function firstList(host, app) {
  title('Two jobs have pushed an image each, with the attestation that BuildKit adds.');
  await mlist('apply --quiet -f -', {
    input: readFileSync(join(root, 'docs/examples/images.yaml'), 'utf8').replaceAll('localhost:5000', host),
    shown: `sed s/localhost:5000/${host}/ docs/examples/images.yaml | mlist apply --quiet -f -`,
  });

  title('Draft a list of them on this machine. The attestations are kept with their images.');
  await mlist(`create ${app}:1.0 ${app}:1.0-amd64 ${app}:1.0-arm64`);
  await mlist('annotate --platform linux/arm64 --variant v8');

  title('The dry run prints the plan and the digest that the push will have.');
  const planned = await mlist('push --dry-run');
  const pushed = await mlist('push --expect linux/amd64,linux/arm64 -t :latest');
  expectSame('the digest of the push', pushed, planned);
}

async function otherScenes(host, app) {
  title('What the registry has now, and what each client gets from it.');
  await mlist(`show --tree docker://${app}:1.0`);
  await mlist(`explain docker://${app}:1.0 --platform linux/arm64`);
  const arm = await mlist(`resolve docker://${app}:1.0 --platform linux/arm64 --quiet`);
  if (!arm.startsWith('sha256:')) throw new Error('no image for linux/arm64');

  title('Every manifest, config and layer is checked. A wrong platform is found before somebody pulls it.');
  await mlist(`validate --deep docker://${app}:1.0`);
  await mlist(`create ${app}:wrong ${app}:1.0-arm=linux/amd64 --push --quiet`);
  await mlist(`validate --deep docker://${app}:wrong`, { code: 3 });

  title('Two runners of a CI matrix join a tag without a merge job. The last one writes it.');
  const options = '--expect linux/amd64,linux/arm64 --group build-1';
  await mlist(`join ${app}:nightly ${app}:1.1-arm64 ${options}`);
  await mlist(`exists docker://${app}:nightly`, { code: 4 });
  const nightly = await mlist(`join ${app}:nightly ${app}:1.1-amd64 ${options}`);
  expectSame('the digest of the tag', await mlist(`digest docker://${app}:nightly --quiet`), nightly);

  title('A tag that somebody else has moved is not overwritten.');
  const web = `${host}/team/web`;
  const before = await mlist(`digest ${web}:1.0 --quiet`);
  await mlist(`create ${web}:1.0 docker://${web}:1.0 --quiet`);
  await mlist('annotate --platform linux/arm64 --variant v8');
  await mlist(`copy ${app}:nightly ${web}:1.0`);
  await mlist('push', { code: 5 });
  expectSame('the digest of the tag', await mlist(`digest docker://${web}:1.0 --quiet`), nightly);
  await mlist(`create --amend ${web}:1.0`);
  await mlist('diff --quiet');
  await mlist('push');

  title('Each moved tag is reported with its old digest, so one command moves it back.');
  await mlist(`copy ${web}@${before} ${web}:1.0`);
  expectSame('the digest of the tag', await mlist(`digest docker://${web}:1.0 --quiet`), before);
}

say('The registry is embedded, and the images print their platform. Nothing outside this demo is read or changed.');
say(`\n${bold('$ mlist serve --addr localhost:0')}`);
const registry = start(['serve', '--addr', 'localhost:0'], ['ignore', 'pipe', 'inherit']);
try {
  const [url] = await once(createInterface(registry.stdout), 'line');
  say(url);
  const { host } = new URL(url);
  await firstList(host, `${host}/team/app`);
  if (!isShort) await otherScenes(host, `${host}/team/app`);
  say(`\n${bold('The demo is done.')} Next: docs/guides/first-list.md, and docs/install.md to install mlist.`);
} catch (error) {
  say(`\nThe demo has failed: ${error.message}`);
  process.exitCode = 1;
} finally {
  // The registry may write files until it has ended.
  if (registry.exitCode === null && registry.signalCode === null) {
    const ended = once(registry, 'exit');
    registry.kill();
    await ended;
  }
  rmSync(folder, { recursive: true, force: true });
}
