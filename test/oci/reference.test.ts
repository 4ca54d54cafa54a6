import { describe, expect, test } from '@jest/globals';
import { MlistError } from '../../src/errors/errors.ts';
import { familiarReference, formatReference, parseReference, withDefaultTag } from '../../src/oci/reference.ts';
import { attempt, goldenLines } from '../support/golden.ts';
import { fc } from '../support/seed.ts';

const a64 = '0123456789abcdef'.repeat(4);
const long = (length: number) => 'a'.repeat(length);

/** The canonical form with the default tag, or the reason for the error. */
const examples: readonly (readonly [row: number, text: string, canonical: string | RegExp])[] = [
  [1, 'ubuntu', 'docker.io/library/ubuntu:latest'],
  [2, 'ubuntu:22.04', 'docker.io/library/ubuntu:22.04'],
  [3, 'docker.io/ubuntu', 'docker.io/library/ubuntu:latest'],
  [4, 'index.docker.io/ubuntu', 'docker.io/library/ubuntu:latest'],
  [5, 'registry-1.docker.io/library/ubuntu', 'registry-1.docker.io/library/ubuntu:latest'],
  [6, 'foo/bar/baz:v1', 'docker.io/foo/bar/baz:v1'],
  [7, 'localhost/foo', 'localhost/foo:latest'],
  [8, 'localhost:5000/foo', 'localhost:5000/foo:latest'],
  [9, 'localhost:5000', 'docker.io/library/localhost:5000'],
  [10, 'localhost', 'docker.io/library/localhost:latest'],
  [11, 'myhost/foo', 'docker.io/myhost/foo:latest'],
  [12, 'myhost:5000/foo', 'myhost:5000/foo:latest'],
  [13, 'my.host/foo', 'my.host/foo:latest'],
  [14, 'a.b:5', 'docker.io/library/a.b:5'],
  [15, '192.168.0.1:80', 'docker.io/library/192.168.0.1:80'],
  [16, '127.0.0.1:5000/a', '127.0.0.1:5000/a:latest'],
  [17, '[::1]:5000/a:t', '[::1]:5000/a:t'],
  [18, '[::1]:5000', /must have the form/],
  [19, '::1/a', /must have the form/],
  [20, '[fe80::1%eth0]:5000/a', /must have the form/],
  [20, '[::ffff:1.2.3.4]/a', /must have the form/],
  [21, 'Foo/bar', 'Foo/bar:latest'],
  [22, 'foo/Bar', /lowercase/],
  [22, 'Foo', /lowercase/],
  [23, 'foo:BAR', 'docker.io/library/foo:BAR'],
  [24, 'my_host.com/foo', /not a host name/],
  [25, 'my_host.com:8080/foo', /must have the form/],
  [26, 'x.io/foo__bar', 'x.io/foo__bar:latest'],
  [26, 'x.io/foo---bar', 'x.io/foo---bar:latest'],
  [27, 'x.io/foo___bar', /must have the form/],
  [27, 'x.io/foo..bar', /must have the form/],
  [27, 'x.io/foo._bar', /must have the form/],
  [28, 'x.io/foo-', /must have the form/],
  [28, 'x.io/-foo', /must have the form/],
  [28, 'x.io/_foo', /must have the form/],
  [28, 'x.io/foo/', /must have the form/],
  [28, 'x.io/a//b', /must have the form/],
  [29, a64, /64 hex digits/],
  [30, `x.io/${a64}`, `x.io/${a64}:latest`],
  [30, `${a64}:tag`, `docker.io/library/${a64}:tag`],
  [31, `sha256:${a64}`, `docker.io/library/sha256:${a64}`],
  [32, `x.io/foo@sha256:${a64}`, `x.io/foo@sha256:${a64}`],
  [33, `x.io/foo:v1@sha256:${a64}`, `x.io/foo:v1@sha256:${a64}`],
  [34, `x.io/foo@sha256:${a64.slice(1)}`, /64 hex digits, not 63/],
  [35, `x.io/foo@sha256:${a64.toUpperCase()}`, /lower-case hex/],
  [36, `x.io/foo@blake3:${a64}`, /must be sha256/],
  [36, `x.io/foo@md5:${a64.slice(32)}`, /must be sha256/],
  [36, `x.io/foo@sha256+b64u:${a64}`, /must be sha256/],
  [37, 'x.io/foo:_tag', 'x.io/foo:_tag'],
  [37, `x.io/foo:${long(128)}`, `x.io/foo:${long(128)}`],
  [37, `x.io/foo:${long(129)}`, /must have the form/],
  [37, 'x.io/foo:.tag', /must have the form/],
  [37, 'x.io/foo:-tag', /must have the form/],
  [37, 'x.io/foo:a+b', /must have the form/],
  [38, `x.io/${long(255)}`, `x.io/${long(255)}:latest`],
  [38, `x.io/${long(256)}`, /longer than 255/],
  [38, `${long(248)}:t`, /longer than 255/],
  [39, 'https://docker.io/foo', /must not have a URL scheme/],
  [39, 'oci://x.io/foo', /must not have a URL scheme/],
  [39, ' ubuntu', /whitespace/],
  [39, 'ubuntu ', /whitespace/],
  [39, 'x.io/föö', /must have the form/],
  [40, 'x.io:99999999/foo', /not between 1 and 65535/],
  [40, 'x.io:/foo', /must have the form/],
  [40, 'x.io:abc/foo', /must have the form/],
];

describe('canonical references', () => {
  test.each(examples)('%i: %s', (_row, text, expected) => {
    if (typeof expected === 'string') expect(formatReference(withDefaultTag(parseReference(text)))).toBe(expected);
    else expect(() => parseReference(text)).toThrow(expected);
  });
});

test.each(['300.1.1.1', 'foo.1', 'xn--a.com', '[1::2::3]:5000', '1.2.3.4.5'])('%s is not a host', (host) => {
  expect(() => parseReference(`${host}/app:1`)).toThrow(`${host} is not a valid host name or address`);
});

interface GoldenReference {
  readonly in: string;
  readonly error?: string;
  readonly domain: string;
  readonly path: string;
  readonly tag?: string;
  readonly digest?: string;
  readonly string: string;
  readonly tagged: string;
  readonly familiar: string;
}

/** Whether mlist rejects what the Go package accepts: an empty domain, a port outside 1-65535, a host not valid in a URL. */
function isRejectedByMlist({ domain }: GoldenReference): boolean {
  const port = Number(/:(\d+)$/.exec(domain)?.[1] ?? 1);
  return domain === '' || port < 1 || port > 65535 || !URL.canParse(`https://${domain}`);
}

describe('distribution/reference v0.6', () => {
  const all = goldenLines<GoldenReference>('references.jsonl');

  test(`returns the same results for ${all.length} inputs`, () => {
    const differing = all.filter((golden) => {
      const parsed = attempt(() => parseReference(golden.in));
      if (golden.error !== undefined || isRejectedByMlist(golden)) return parsed !== undefined;
      if (parsed === undefined) return true;
      const { domain, path, tag, digest } = golden;
      const texts = [formatReference(parsed), formatReference(withDefaultTag(parsed)), familiarReference(parsed)];
      return (
        JSON.stringify(parsed) !== JSON.stringify({ domain, path, tag, digest }) ||
        JSON.stringify(texts) !== JSON.stringify([golden.string, golden.tagged, golden.familiar])
      );
    });
    expect(all.length).toBeGreaterThan(2_500);
    expect(differing).toEqual([]);
  });
});

describe('properties', () => {
  const part = fc.stringMatching(/^[a-z0-9]{1,8}(?:(?:[._]|__|-{1,3})[a-z0-9]{1,5}){0,2}$/);
  const domain = fc.constantFrom(
    'docker.io',
    'localhost',
    'localhost:5000',
    'x.io',
    'Foo',
    '[::1]:5000',
    '127.0.0.1:80',
  );
  const tag = fc.stringMatching(/^\w[\w.-]{0,40}$/);
  const reference = fc.record(
    {
      domain,
      path: fc.array(part, { minLength: 2, maxLength: 4 }).map((parts) => parts.join('/')),
      tag,
      digest: fc.constant(`sha256:${a64}`),
    },
    { requiredKeys: ['domain', 'path'] },
  );

  test('parsing a formatted reference returns the same reference', () => {
    fc.assert(
      fc.property(reference, (original) => {
        expect(parseReference(formatReference(original as never))).toEqual(original);
      }),
    );
  });

  test('returns a reference or throws ERR_MLIST_REFERENCE_INVALID for any string', () => {
    const pieces = fc.constantFrom(
      'a',
      'A',
      '/',
      ':',
      '@',
      '.',
      '_',
      '-',
      '[',
      ']',
      '::1',
      'sha256:',
      a64,
      'x.io',
      '\u0000',
      '5',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(pieces).map((list) => list.join('')),
    );
    fc.assert(
      fc.property(text, (input) => {
        try {
          parseReference(input);
        } catch (error) {
          expect(error).toBeInstanceOf(MlistError);
          expect((error as MlistError).code).toBe('ERR_MLIST_REFERENCE_INVALID');
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('rejects a string of 20 000 characters without backtracking', () => {
    expect(() => parseReference('a-'.repeat(10_000))).toThrow(/longer than/);
    expect(() => parseReference(`${'a-'.repeat(500)}_`)).toThrow(/must have the form/);
  });
});
