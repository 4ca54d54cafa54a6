import { describe, expect, test } from '@jest/globals';
import { startRegistry } from '../../src/index.ts';
import { answer, Front } from '../support/front.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { kept } from '../support/kept.ts';
import { World, type Ran } from '../support/world.ts';

/** What a registry says about a failure is reported, with the reference that the failed step worked on. */
interface Diagnostic {
  readonly code: string;
  readonly message: string;
  readonly detail?: string;
}

async function refused(body: unknown): Promise<Ran> {
  const front = kept(await Front.start());
  front.on(/./, answer(400, {}, typeof body === 'string' ? body : JSON.stringify(body)));
  return (await World.make()).run(['digest', `${front.host}/team/app:1`, '--json']);
}

function reported({ code, stdout, stderr }: Ran): {
  readonly message: string;
  readonly diagnostics: readonly Diagnostic[];
} {
  expect([code, stdout]).toEqual([7, '']);
  return JSON.parse(stderr.trim()) as ReturnType<typeof reported>;
}

const digest = `sha256:${'ab'.repeat(32)}`;

describe('the reason that a registry gives', () => {
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
  ])('is reported %s', async (_name, detail, shown, kept) => {
    const { message, diagnostics } = reported(
      await refused({ errors: [{ code: 'MANIFEST_INVALID', message: 'refused', detail }] }),
    );
    expect(message).toMatch(/cannot read .*\/team\/app:1: .* refuses it \(HTTP 400, /);
    expect(message).toContain(`MANIFEST_INVALID: ${shown})`);
    expect(diagnostics).toEqual([
      { code: 'MANIFEST_INVALID', message: 'refused', ...(kept === undefined ? {} : { detail: kept }) },
    ]);
  });

  test.each<[string, unknown, string]>([
    ['without a message', { code: 'X', message: null, detail: 'layer 3 has no size' }, 'X: layer 3 has no size'],
    ['without a code (Artifactory)', { status: 404, message: 'no such project' }, 'no such project'],
    ['with a message of another type', { code: 'X', message: { a: 1 }, detail: 'entry 3' }, 'X: a: 1 (entry 3)'],
    ['as a text', 'no lists here', 'no lists here'],
  ])('is reported %s, and hides no other', async (_name, error, shown) => {
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
    expect(message).toMatch(/refuses it \(HTTP 400\)$/);
    expect(diagnostics).toEqual([]);
  });

  test('has a limited length, and escapes', async () => {
    const long = 'x'.repeat(2_000);
    const deep = '{"a":'.repeat(2_000) + '1' + '}'.repeat(2_000);
    // The whole answer is within the limit beyond which mlist does not read it.
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
    const front = kept(await Front.start());
    const auth = Buffer.from(`me:${password}`).toString('base64');
    const env = { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [front.host]: { auth } } }) };
    front.on(/./, (exchange) => {
      const { authorization } = exchange.seen.headers;
      if (authorization === undefined) return answer(401, { 'www-authenticate': 'Basic realm="x"' })(exchange);
      const text = 'y'.repeat(295) + password;
      const errors = [{ code: 'X', message: text, detail: { [password]: [authorization, text] } }];
      return answer(400, {}, JSON.stringify({ errors }))(exchange);
    });
    const ran = await (await World.make({ env })).run(['digest', `${front.host}/team/app:1`, '--json']);
    expect(reported(ran).diagnostics).toHaveLength(1);
    for (const secret of [password, auth, 'correct']) expect(ran.stderr).not.toContain(secret);
  });
});

/** A registry with the image `team/app:1`, and a front before it that a test changes. */
async function served(): Promise<Front> {
  const upstream = kept(await startRegistry());
  await pushImage(upstream.url, 'team/app', '1', makeImage({ platform: { architecture: 'amd64', os: 'linux' } }));
  return kept(await Front.start({ upstream: upstream.url }));
}

describe('a registry that asks for a wait beyond the limit ends the command', () => {
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
    const front = await served();
    // Without a mount there is an upload.
    front.on(/^POST .*mount=/, answer(405));
    front.on(pattern, busy);
    const world = await World.make();
    expect(await world.run([...args(front.host), '--retries', '5'])).toMatchObject({
      code: 7,
      stdout: '',
      stderr: expect.stringContaining('asks to wait for 3600 s') as unknown,
    });
    const asked = front.asked(pattern).map(({ path }) => path);
    expect(new Set(asked).size).toBe(asked.length);
  });

  test.each([
    ['copy', copy],
    ['join', join],
  ])('with a token (%s)', async (_name, args) => {
    const front = await served();
    front.on(/ \/v2\//, answer(401, { 'www-authenticate': `Bearer realm="${front.url}/token",service="x"` }));
    front.on(/ \/token/, busy);
    expect(await (await World.make()).run([...args(front.host), '--retries', '5'])).toMatchObject({
      code: 7,
      stderr: expect.stringMatching(/the token service .* asks to wait for 3600 s/) as unknown,
    });
    const asked = front.asked(/ \/token/).map(({ path }) => path);
    expect(new Set(asked).size).toBe(asked.length);
  });
});
