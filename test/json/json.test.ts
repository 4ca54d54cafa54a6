import { describe, expect, test } from '@jest/globals';
import { jsonKey, JsonNumber, jsonObject, memberNames, sameJson, type Json } from '../../src/json/json.ts';
import { readJson } from '../../src/json/parse.ts';
import { writeJson } from '../../src/json/stringify.ts';
import { fc } from '../support/seed.ts';

function read(text: string | Uint8Array) {
  return readJson(typeof text === 'string' ? Buffer.from(text) : text);
}

function problemsOf(text: string | Uint8Array): readonly string[] {
  return read(text).problems.map(({ rule, pointer, message }) => `${rule} ${pointer} ${message}`);
}

/** Documents that parsers interpret differently. */
describe('rejects documents that parsers interpret differently', () => {
  test.each<[string, string | Uint8Array, RegExp]>([
    ['a duplicate key', '{"a":1,"b":{"c":1,"c":2}}', /E-JSON \/b\/c duplicate member/],
    ['a duplicate key with an escape', '{"a":1,"\\u0061":2}', /E-JSON \/a duplicate member/],
    ['a byte order mark', Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0x7d), /byte order mark/],
    ['bad UTF-8', Uint8Array.of(0x22, 0xff, 0x22), /not valid UTF-8/],
    ['a UTF-8 surrogate', Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22), /not valid UTF-8/],
    ['an unpaired surrogate', '"\\ud800"', /unpaired surrogate/],
    ['text after the value', '{} {}', /unexpected text after the JSON value/],
    ['an empty document', '', /unexpected end/],
    ['a comment', '{/* */}', /expected a member name/],
    ['a trailing comma', '[1,]', /expected a JSON value/],
    ['single quotes', "{'a':1}", /expected a member name/],
    ['a raw control character', '"\u0001"', /unescaped control character/],
    ['an unknown escape', '"\\x41"', /unknown escape sequence/],
    ['a leading zero', '01', /unexpected text after the JSON value/],
    ['a plus sign', '+1', /expected a JSON value/],
    ['NaN', 'NaN', /expected a JSON value/],
    ['an unterminated string', '"abc', /unterminated string/],
  ])('%s', (_name, text, problem) => {
    expect(problemsOf(text).join('\n')).toMatch(problem);
  });

  test('reports every duplicate', () => {
    expect(problemsOf('{"a":1,"a":2,"b/c":[{"x":1,"x":1}],"b/c":3}')).toHaveLength(3);
  });
});

describe('limits', () => {
  test.each<[string, Uint8Array, RegExp]>([
    ['over 4 MiB', Buffer.alloc(4 * 1024 * 1024 + 1, ' '), /E-SIZE4M/],
    ['nested too deep', Buffer.from('['.repeat(4_000_000)), /nested deeper than 100/],
    ['too many values', Buffer.from(`[${'{},'.repeat(1_000_000)}1]`), /has more than \d+ values/],
    [
      'too many members',
      Buffer.from(`{${Array.from({ length: 300_000 }, (_, at) => `"${at}":1`).join()}}`),
      /has more than \d+ values/,
    ],
    ['too many duplicates', Buffer.from(`{${'"a":1,'.repeat(100_000)}"a":1}`), /too many problems to list/],
  ])('%s', (_name, bytes, problem) => {
    expect(problemsOf(bytes).join('\n')).toMatch(problem);
  });
});

describe('keeps what JavaScript would change', () => {
  test.each(['1.0', '1e3', '-0', '18446744073709551615', '9007199254740993', '0.10', '1E400'])(
    'the spelling of %s',
    (lexeme) => {
      expect(read(`[${lexeme}]`).value).toEqual([new JsonNumber(lexeme)]);
      expect(writeJson(read(`[${lexeme}]`).value as Json)).toBe(`[${lexeme}]`);
    },
  );

  test.each(['0', '1', '-1', '0.5', '9007199254740991'])('%s is a plain number', (lexeme) => {
    expect(read(lexeme).value).toBe(Number(lexeme));
  });

  test('the order of members whose names are array indexes', () => {
    const text = '{"b":1,"10":2,"9":3,"a":4,"__proto__":5}';
    expect(writeJson(read(text).value as Json)).toBe(text);
    expect(memberNames(read(text).value as object)).toEqual(['b', '10', '9', 'a', '__proto__']);
  });

  test('the order of members after an object spread', () => {
    const object = read('{"b":1,"10":2,"9":3}').value as Record<string, Json>;
    expect(writeJson({ ...object, c: 0 })).toBe('{"b":1,"10":2,"9":3,"c":0}');
  });

  const json = fc.letrec<{ value: Json }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constant(null),
      fc.boolean(),
      fc.integer(),
      fc.constantFrom(...['1.0', '-0', '1e9', '12345678901234567890'].map((lexeme) => new JsonNumber(lexeme))),
      fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed()),
      fc.array(tie('value'), { maxLength: 4 }),
      fc
        .uniqueArray(fc.tuple(fc.oneof(fc.string(), fc.nat(50).map(String), fc.constant('__proto__')), tie('value')), {
          selector: ([name]) => name,
          maxLength: 5,
        })
        .map((members) => jsonObject(members)),
    ),
  })).value;

  test.each([
    ['compact', {}],
    ['as Go', { goEscapes: true, indent: '   ' }],
  ])('parsing written JSON returns the same value: %s', (_name, options) => {
    fc.assert(
      fc.property(json, (value) => {
        const text = writeJson(value, options);
        const { value: parsed, problems } = read(text);
        expect(problems).toEqual([]);
        expect(writeJson(parsed as Json, options)).toBe(text);
        expect(sameJson(parsed, value)).toBe(true);
      }),
    );
  });

  test('two values have the same key exactly if they are equal', () => {
    const few = fc.oneof(fc.constantFrom<Json>(1, '1', null, new JsonNumber('1'), [], {}), fc.array(fc.nat(1)));
    const member = fc.oneof(few, fc.dictionary(fc.constantFrom('a', 'b', '1'), few, { maxKeys: 2 }));
    fc.assert(
      fc.property(member, member, (left, right) => {
        expect(jsonKey(left) === jsonKey(right)).toBe(sameJson(left, right));
      }),
    );
  });

  test('accepts and rejects the same documents as JSON.parse, apart from duplicates', () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"b"',
      '1',
      '-2.5e3',
      'true',
      'null',
      ' ',
      '\n',
      '"\\n"',
      'x',
    );
    fc.assert(
      fc.property(
        fc.array(pieces).map((list) => list.join('')),
        (text) => {
          let expected: unknown;
          try {
            expected = JSON.parse(text);
          } catch {
            expect(read(text).problems.length).toBeGreaterThan(0);
            return;
          }
          const { value, problems } = read(text);
          if (problems.length > 0) expect(problems[0]?.message).toMatch(/duplicate member/);
          else expect(JSON.parse(writeJson(value as Json))).toEqual(expected);
        },
      ),
      { numRuns: 3_000 },
    );
  });
});
