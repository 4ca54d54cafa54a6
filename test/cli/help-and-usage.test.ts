import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { commands } from '../../src/cli/commands/commands.ts';
import { CliHarness } from '../support/cli-harness.ts';
import { goldenText } from '../support/golden.ts';
import { checkout } from '../support/mlist.ts';

/**
 * All help texts, and the messages for wrong command lines, in two files that can be reviewed as a whole.
 * MLIST_UPDATE_GOLDEN=1 writes the files.
 */

test('help texts', async () => {
  const harness = await CliHarness.make({ columns: 80 });
  const calls = [[], ['help', 'options'], ...commands.map(({ name }) => [name, '--help'])];
  const texts: string[] = [];
  for (const call of calls) texts.push(`$ ${['mlist', ...call].join(' ')}\n${await harness.must(...call)}\n`);
  const text = texts.join('\n');
  expect(text).toBe(goldenText('help.txt', text));
});

/** Command lines that are refused before a request is sent, by command. `''` is an empty argument. */
const refused: Readonly<Record<string, readonly string[]>> = {
  'no command': [
    'frobnicate',
    'psuh',
    'cp a b',
    'manifest create a b',
    'list',
    'sign a',
    'help psuh',
    '--json',
    '--bogus',
  ],
  'global options': [
    'ls --bogus',
    'ls --jsn',
    'ls --json=yes',
    'ls -x',
    'ls --progress loud',
    'ls --progress',
    'ls --workspace',
    'ls --workspace a --workspace b',
    'tags a --concurrency 0',
    'tags a --concurrency many',
    'tags a --retries -1',
    'tags a --timeout soon',
    'tags a --timeout 0',
    'tags a --deadline 1000h',
    'tags a --auth-host registry.example',
    'tags a --ca-file nope.pem',
    'show --list= a',
  ],
  create: [
    'create',
    'create Team/App:1.0 x.io/a',
    'create team/app@sha256:0123 x.io/a',
    'create team/app x.io/a=arm/v7',
    'create team/app x.io/a=linux',
    'create team/app --amend --replace x.io/a',
    'create team/app --replace',
    'create team/app --format zip',
    'create team/app --missing maybe',
    'create team/app --platform=',
    'create team/app --tag latest',
    'create team/app --expect linux/amd64',
    'create -t team/app:1.0 x.io/a x.io/b',
    'create team/app --append x.io/a',
    'create team/app --index-annotation novalue',
    'create team/app -f nope',
    'create team/app -f /dev/null',
    'create team/app --digests-dir nope',
    'create team/app --repo x.io/a:1.0 -f nope',
    'create team/app --repo x.io/a',
    'create --docker-metadata env x.io/a',
    'create team/app --wait-for-source never x.io/a',
  ],
  add: ['add', 'add oci:layout', 'add x.io/a', 'add x.io/list x.io/a', 'add x.io/list x.io/a --keep --dry-run'],
  remove: ['remove', 'remove x.io/list x.io/a', 'remove --platform amd64/linux', 'remove docker://x.io/list x.io/a'],
  annotate: [
    'annotate',
    'annotate a b c',
    'annotate a b --platform bogus/',
    'annotate x.io/list --annotation novalue',
    'annotate x.io/list --arch arm64',
    'annotate x.io/list --os linux --allow-empty',
  ],
  'inspect, show, digest, resolve': [
    'inspect a b c',
    'inspect --list a b c',
    'inspect',
    'inspect oci:nope',
    'show a b',
    'show --tre a',
    'digest --wait x a',
    'resolve x.io/list --platform arm/v7',
    'exists',
    'exists a b',
  ],
  push: [
    'push',
    'push a b',
    'push --if-digest sha256:12 a',
    'push --digest-file - a',
    'push --digest-file f --metadata-file f a',
    'push --digest-file nope/digest a',
    'push --metadata-file . a',
    'push --docker-metadata nope a',
    'push --expect arm/v7 a',
    'push x.io/list',
  ],
  join: [
    'join',
    'join x.io/list',
    'join x.io/list x.io/a --wait 10m',
    'join oci:layout x.io/a',
    'join x.io/list x.io/a --group=',
    'join --prune x.io/list x.io/a',
  ],
  validate: ['validate a b', 'validate --repo x.io/a x.io/list', 'validate ./nope.json', 'validate --repo x.io/a'],
  'diff, explain, export': ['diff a b c', 'diff', 'explain a b', 'explain --platform= a', 'export a b'],
  copy: [
    'copy',
    'copy a',
    'copy a b c',
    'copy a b --platform bogus/',
    'copy a b --attestations referrers',
    'copy oci:nope x.io/a',
  ],
  apply: [
    'apply',
    'apply lists.yaml',
    'apply -f nope.yaml',
    'apply -f a.yaml -f a.yaml',
    'apply -f a.yaml --shard 3/2',
    'apply -f a.yaml --expect linux/amd64',
  ],
  'ls, use, rm, init, prune': [
    'ls a',
    'use',
    'use a b',
    'use x.io/list',
    'rm',
    'rm x.io/list x.io/other',
    'init a',
    'prune --force',
  ],
  gc: ['gc', 'gc a b', 'gc nowhere', 'gc . --grace soon'],
  'tags, delete': ['tags', 'tags x.io/a:1.0', 'tags oci:layout', 'delete', 'delete oci:layout', 'delete x.io/a'],
  'login, logout': [
    'login',
    'login x.io',
    'login x.io -u me',
    'login x.io -p secret',
    'login x.io/team',
    'logout',
    'logout a b',
  ],
  serve: [
    'serve --addr nowhere',
    'serve --tls-cert nope.pem',
    'serve --tls-cert nope.pem --tls-key nope.pem',
    'serve --htpasswd nope',
    'serve --password-stdin',
    'serve --hash-password me',
    'serve --hash-password me --addr 127.0.0.1:0',
    'serve 5000',
    'serve --gc',
    'serve --grace 1h --dir x',
    'serve --gc --dir x --read-only',
    'serve --memory lots',
    'serve --memory 10',
    'serve --max-upload 0',
    'serve --max-connections 0',
    'serve --max-open-uploads 0',
    'serve --upload-idle soon',
    'serve --proxy docker.io/library',
    'serve --proxy docker.io=https://me:secret@mirror.test',
    'serve --proxy docker.io --proxy docker.io',
    'serve --proxy docker.io --proxy-ttl soon',
    'serve --proxy-login',
    'serve --proxy docker.io --concurrency 0',
  ],
  completion: ['completion', 'completion powershell'],
};

// Messages contain paths, which look different on Windows.
(process.platform === 'win32' ? test.skip : test)('messages for wrong command lines', async () => {
  const cli = await CliHarness.make({ cwd: checkout });
  const { folder: home } = cli;
  const env = { HOME: home, MLIST_WORKSPACE: join(home, 'workspace'), XDG_CACHE_HOME: home };
  const groups: string[] = [];
  for (const [group, lines] of Object.entries(refused)) {
    const texts: string[] = [];
    for (const line of lines) texts.push(await messageOf(cli, line, env));
    groups.push(`# ${group}\n\n${texts.join('\n')}`);
  }
  const text = groups.join('\n').replaceAll(home, '$HOME').replaceAll(checkout, '$PWD/');
  expect(text).toBe(goldenText('usage-errors.txt', text));
});

async function messageOf(cli: CliHarness, line: string, env: Readonly<Record<string, string>>): Promise<string> {
  const { code, stdout, stderr } = await cli.run(line === '' ? [] : line.split(' '), { env });
  return `$ mlist ${line}`.trimEnd() + `\n${stdout}${stderr}exit code ${code}\n`;
}
