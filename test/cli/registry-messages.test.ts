import { describe, expect, test } from '@jest/globals';
import { answer, Front } from '../support/front.ts';
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
