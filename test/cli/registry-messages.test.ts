import { describe, expect, test } from '@jest/globals';
import { startRegistry } from '../../src/server/start-registry.ts';
import { answer, RecordingProxy, type Rule } from '../support/recording-proxy.ts';
import { attestationEntry } from '../support/buildx.ts';
import { entryOf, makeImage, makeIndex, pushBlob, pushImage, putManifest, sha256 } from '../support/images.ts';
import { cleanup } from '../support/cleanup.ts';
import { CliHarness, type CliResult } from '../support/cli-harness.ts';

/** Errors quote the registry's message, and name the reference of the failed step. */
interface Diagnostic {
  readonly code: string;
  readonly message: string;
  readonly detail?: string;
}

async function refused(body: unknown): Promise<CliResult> {
  const proxy = cleanup(await RecordingProxy.start());
  proxy.on(/./, answer(400, {}, typeof body === 'string' ? body : JSON.stringify(body)));
  return (await CliHarness.make()).run(['digest', `${proxy.host}/team/app:1`, '--json']);
}

function reported({ code, stdout, stderr }: CliResult): {
  readonly message: string;
  readonly diagnostics: readonly Diagnostic[];
} {
  expect([code, stdout]).toEqual([7, '']);
  return JSON.parse(stderr.trim()) as ReturnType<typeof reported>;
}

const linux = { architecture: 'amd64', os: 'linux' };
const digest = `sha256:${'ab'.repeat(32)}`;

describe('the message of a registry', () => {
  test.each<[string, unknown, string, string | undefined]>([
    [
      'in a description (Artifactory)',
      { description: 'Circuit Breaker' },
      'refused (Circuit Breaker)',
      'Circuit Breaker',
    ],
    ['in a message (Quay)', { message: 'no such schema' }, 'refused (no such schema)', 'no such schema'],
    ['as a text (distribution 2)', digest, `refused (${digest})`, digest],
    ['in a member (distribution 3)', { digest }, `refused (digest: ${digest})`, `digest: ${digest}`],
    [
      'in a list',
      [{ Type: 'repository', Class: '', Action: 'pull' }, 7],
      'refused (Type: repository, Action: pull; 7)',
      'Type: repository, Action: pull; 7',
    ],
    ['that the message repeats', 'refuse', 'refused', 'refuse'],
    ['that is empty', {}, 'refused', undefined],
    ['that is null', null, 'refused', undefined],
  ])('is reported %s', async (_name, detail, shown, reportedDetail) => {
    const { message, diagnostics } = reported(
      await refused({ errors: [{ code: 'MANIFEST_INVALID', message: 'refused', detail }] }),
    );
    expect(message).toMatch(/cannot read .*\/team\/app:1: .* refused it \(HTTP 400, /);
    expect(message).toContain(`MANIFEST_INVALID: ${shown})`);
    expect(diagnostics).toEqual([
      {
        code: 'MANIFEST_INVALID',
        message: 'refused',
        ...(reportedDetail === undefined ? {} : { detail: reportedDetail }),
      },
    ]);
  });

  test.each<[string, unknown, string]>([
    ['without a message', { code: 'X', message: null, detail: 'layer 3 has no size' }, 'X: layer 3 has no size'],
    ['without a code (Artifactory)', { status: 404, message: 'no such project' }, 'no such project'],
    ['with a message of another type', { code: 'X', message: { a: 1 }, detail: 'entry 3' }, 'X: a: 1 (entry 3)'],
    ['as a text', 'no lists here', 'no lists here'],
  ])('is reported %s, and hides no other error', async (_name, error, shown) => {
    const errors = [error, null, {}, { code: 'Y', message: 'another' }];
    expect(reported(await refused({ errors })).message).toContain(`(HTTP 400, ${shown}; Y: another)`);
  });

  test.each<[string, unknown]>([
    ['errors are one object', { errors: { message: 'no lists here' } }],
    ['there are no errors', { message: 'no lists here' }],
    ['there is a byte order mark', `\ufeff${JSON.stringify({ errors: [{ message: 'no lists here' }] })}`],
  ])('is reported where %s', async (_name, body) => {
    expect(reported(await refused(body)).message).toContain('(HTTP 400, no lists here)');
  });

  test.each(['', '<html>', '[]', '7', '{"errors":null}', '{"errors":[[[]]]}'])('is missing in %j', async (body) => {
    const { message, diagnostics } = reported(await refused(body));
    expect(message).toMatch(/refused it \(HTTP 400\)$/);
    expect(diagnostics).toEqual([]);
  });

  test('has a limited length, and escapes', async () => {
    const long = 'x'.repeat(2_000);
    const deep = '{"a":'.repeat(2_000) + '1' + '}'.repeat(2_000);
    // The whole answer is below the size limit for error answers.
    const errors = Array.from({ length: 10 }, () => ({ code: long, message: long, detail: { long } }));
    const many = reported(await refused({ errors: [...errors, { code: 'X' }] }));
    expect(many.diagnostics).toHaveLength(10);
    expect(Math.max(...many.diagnostics.map((one) => JSON.stringify(one).length))).toBeLessThan(800);
    expect(reported(await refused(`{"errors":[{"code":"X","detail":${deep}}]}`)).diagnostics).toHaveLength(1);
    const { stderr } = await refused({ errors: [{ code: 'X', detail: { '\u001b[2J': '\u001b[31m' } }] });
    expect(stderr).not.toContain('\u001b');
  });

  test('contains no secrets, not even a part of one', async () => {
    const password = 'correct-horse-battery-staple';
    const proxy = cleanup(await RecordingProxy.start());
    const auth = Buffer.from(`me:${password}`).toString('base64');
    const env = { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [proxy.host]: { auth } } }) };
    proxy.on(/./, (exchange) => {
      const { authorization } = exchange.seen.headers;
      if (authorization === undefined) return answer(401, { 'www-authenticate': 'Basic realm="x"' })(exchange);
      const text = 'y'.repeat(295) + password;
      const errors = [{ code: 'X', message: text, detail: { [password]: [authorization, text] } }];
      return answer(400, {}, JSON.stringify({ errors }))(exchange);
    });
    const result = await (await CliHarness.make({ env })).run(['digest', `${proxy.host}/team/app:1`, '--json']);
    expect(reported(result).diagnostics).toHaveLength(1);
    for (const secret of [password, auth, 'correct']) expect(result.stderr).not.toContain(secret);
  });
});

/** A registry with the image `team/app:1`, behind a proxy that tests configure. */
async function served(): Promise<RecordingProxy> {
  const upstream = cleanup(await startRegistry());
  await pushImage(upstream.url, 'team/app', '1', makeImage({ platform: linux }));
  return cleanup(await RecordingProxy.start({ upstream: upstream.url }));
}

describe('a registry that demands a wait beyond the limit ends the command', () => {
  const busy = answer(503, { 'retry-after': '3600' });
  const copy = (host: string) => ['copy', `${host}/team/app:1`, `${host}/team/other:1`];
  const join = (host: string) => ['join', `${host}/team/app:list`, `${host}/team/app:1`, '--group', '1'];

  test.each<[string, RegExp, (host: string) => readonly string[]]>([
    ['with a manifest', /^GET .*manifests/, copy],
    ['when an upload begins', /^POST/, copy],
    ['when an upload ends', /^PUT .*uploads/, copy],
    ['when a manifest is written', /^PUT .*manifests/, copy],
    ['when a slot is written', /^PUT .*manifests/, join],
    ['with the list of tags', /^GET .*tags/, join],
  ])('%s', async (_name, pattern, args) => {
    const proxy = await served();
    // A refused mount results in an upload.
    proxy.on(/^POST .*mount=/, answer(405));
    proxy.on(pattern, busy);
    const cli = await CliHarness.make();
    expect(await cli.run([...args(proxy.host), '--retries', '5'])).toMatchObject({
      code: 7,
      stdout: '',
      stderr: expect.stringContaining('asks clients to wait 3600 s') as unknown,
    });
    const paths = proxy.requestsMatching(pattern).map(({ path }) => path);
    expect(new Set(paths).size).toBe(paths.length);
  });

  test.each([
    ['copy', copy],
    ['join', join],
  ])('with a token (%s)', async (_name, args) => {
    const proxy = await served();
    proxy.on(/ \/v2\//, answer(401, { 'www-authenticate': `Bearer realm="${proxy.url}/token",service="x"` }));
    proxy.on(/ \/token/, busy);
    expect(await (await CliHarness.make()).run([...args(proxy.host), '--retries', '5'])).toMatchObject({
      code: 7,
      stderr: expect.stringMatching(/the token service .* asks clients to wait 3600 s/) as unknown,
    });
    const paths = proxy.requestsMatching(/ \/token/).map(({ path }) => path);
    expect(new Set(paths).size).toBe(paths.length);
  });
});

describe('errors on the way to a registry name the reference', () => {
  test('too many redirects', async () => {
    const proxy = cleanup(await RecordingProxy.start());
    proxy.on(/./, (exchange) => answer(307, { location: exchange.seen.path })(exchange));
    const { code, stderr } = await (await CliHarness.make()).run(['digest', `${proxy.host}/team/app:1`]);
    expect([code, stderr]).toEqual([
      7,
      `mlist: cannot read ${proxy.host}/team/app:1: too many redirects from ${proxy.host} (more than 10)\n`,
    ]);
  });

  test.each<[string, string]>([
    ['no JSON', '<html>'],
    ['no token', '{"expires_in":300}'],
    ['a token of another type', '{"token":7}'],
    ['an empty token', '{"token":""}'],
    ['a token with line breaks', '{"token":"a\\nb"}'],
  ])('a token answer with %s', async (_name, body) => {
    const proxy = cleanup(await RecordingProxy.start());
    proxy.on(/./, answer(401, { 'www-authenticate': `Bearer realm="${proxy.url}/token",service="x"` }));
    proxy.on(/ \/token/, answer(200, {}, body));
    const { code, stderr } = await (await CliHarness.make()).run(['digest', `${proxy.host}/team/app:1`]);
    expect([code, stderr]).toEqual([
      7,
      `mlist: cannot read ${proxy.host}/team/app:1: the token service ${proxy.host} sent a response without a valid token\n`,
    ]);
  });

  test('a token service that fails, reported once per image', async () => {
    const proxy = cleanup(await RecordingProxy.start());
    proxy.on(/./, answer(401, { 'www-authenticate': `Bearer realm="${proxy.url}/token",service="x"` }));
    proxy.on(/ \/token/, answer(500, {}, '{"errors":[{"code":"UNAVAILABLE","message":"the database is down"}]}'));
    const names = ['1', '2'].map((tag) => `${proxy.host}/team/app:${tag}`);
    const { code, stderr } = await (
      await CliHarness.make()
    ).run(['create', 'registry.test/list', ...names, '--retries', '0']);
    expect(code).toBe(7);
    for (const name of names)
      expect(stderr).toMatch(
        new RegExp(`cannot read ${name}: the token service .* UNAVAILABLE: the database is down\\)`),
      );
  });
});

describe('a refusal to write', () => {
  const error = (code: string, message: string) => JSON.stringify({ errors: [{ code, message }] });
  const auth = Buffer.from('me:secret').toString('base64');

  async function copied(pattern: RegExp, rule: Rule): Promise<CliResult> {
    const source = await served();
    const proxy = cleanup(await RecordingProxy.start({ upstream: cleanup(await startRegistry()).url }));
    proxy.on(/./, (exchange) =>
      exchange.seen.headers.authorization === undefined
        ? answer(401, { 'www-authenticate': 'Basic realm="x"' })(exchange)
        : exchange.pass(),
    );
    proxy.on(pattern, rule);
    const env = { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [proxy.host]: { auth } } }) };
    return (await CliHarness.make({ env })).run(['copy', `${source.host}/team/app:1`, `${proxy.host}/new/app:1`]);
  }

  test.each<[string, RegExp, Rule, number, RegExp]>([
    [
      'because there is no project',
      /^POST/,
      answer(404, {}, error('NOT_FOUND', 'project new not found')),
      4,
      /cannot upload \S+: the repository does not exist on \S+ \(HTTP 404, NOT_FOUND: project new not found\)\nhint: Create the project or repository/,
    ],
    [
      'because there is no repository',
      /^PUT .*manifests/,
      answer(404, {}, error('NAME_UNKNOWN', 'no such repository')),
      4,
      /cannot write \S+: the repository does not exist on .*\nhint: Create the project or repository/,
    ],
    [
      'because a blob is missing',
      /^PUT .*manifests/,
      answer(404, {}, error('MANIFEST_BLOB_UNKNOWN', 'blob unknown')),
      4,
      /cannot write \S+: \S+ lacks content that the manifest refers to \(HTTP 404, MANIFEST_BLOB_UNKNOWN/,
    ],
    [
      'because the quota is used up',
      /^PUT .*manifests/,
      answer(403, {}, error('DENIED', 'adding 1.0 MiB of storage resource will exceed the configured upper limit')),
      6,
      /refused it for lack of space \(HTTP 403, DENIED: adding .*\nhint: Free space in the registry, or ask for a larger quota/,
    ],
    [
      'because the account may not',
      /^POST/,
      answer(403, {}, error('DENIED', 'no write access')),
      6,
      /denies access with the credentials .*DENIED: no write access.*\nhint: Check whether the account has permission/,
    ],
  ])('%s is not reported as a misspelt image', async (_name, pattern, rule, code, message) => {
    const result = await copied(pattern, rule);
    expect(result).toMatchObject({ code, stderr: expect.stringMatching(message) as unknown });
    expect(result.stderr).not.toContain('that it was pushed');
  });

  test('an attestation: the hint says how to skip it', async () => {
    const blob = Buffer.from('{"_type":"https://in-toto.io/Statement/v0.1"}');
    const layer = { mediaType: 'application/vnd.in-toto+json', digest: sha256(blob), size: blob.length };
    const attestation = makeImage({ kind: 'oci', salt: 'attestation', manifest: { layers: [layer] } });
    const image = makeImage({ kind: 'oci' });
    const list = makeIndex([entryOf(image, linux), attestationEntry(attestation, image)]);
    const upstream = cleanup(await startRegistry());
    await pushBlob(upstream.url, 'team/app', blob);
    for (const one of [image, attestation]) await pushImage(upstream.url, 'team/app', undefined, one);
    await putManifest(upstream.url, 'team/app', '1', list.mediaType, list.bytes);
    const proxy = cleanup(await RecordingProxy.start({ upstream: upstream.url }));
    proxy.on(/^PUT .*manifests/, answer(400, {}, error('MANIFEST_INVALID', 'unknown media type')));
    const cli = await CliHarness.make();
    const copy = ['copy', `${proxy.host}/team/app:1`, `${proxy.host}/team/other:1`];
    proxy.on(new RegExp(`^PUT .*manifests/${image.digest}`), ({ pass }) => pass());
    expect(await cli.run(copy)).toMatchObject({
      code: 7,
      stderr: expect.stringMatching(
        /MANIFEST_INVALID: .*\nhint: The manifest is an attestation, which some registries refuse\. .*"--attestations drop"/,
      ) as unknown,
    });
    const dropped = await cli.run([...copy, '--attestations', 'drop']);
    expect([dropped.code, dropped.stderr]).toEqual([7, expect.not.stringContaining('is an attestation')]);
    proxy.on(/^PUT .*manifests\/1/, ({ pass }) => pass());
    await cli.must(...copy, '--attestations', 'drop');
  });
});
