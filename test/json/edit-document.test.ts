import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { withJsonMember, withoutJsonMember, type JsonValue } from '../../src/json/edit-document.ts';

describe('setting a member', () => {
  test.each<[string, string, string]>([
    ['an empty text', '', '{\n\t"auths": {\n\t\t"h": {\n\t\t\t"auth": "x"\n\t\t}\n\t}\n}\n'],
    ['white space', ' \n', '{\n\t"auths": {\n\t\t"h": {\n\t\t\t"auth": "x"\n\t\t}\n\t}\n}\n'],
    ['an empty object', '{}', '{\n\t"auths": {\n\t\t"h": {\n\t\t\t"auth": "x"\n\t\t}\n\t}\n}'],
    ['one line', '{"a":1}', '{"a":1,"auths":{"h":{"auth":"x"}}}'],
    ['one line with spaces', '{ "a": 1 }', '{ "a": 1, "auths":{"h":{"auth":"x"}} }'],
    ['two spaces', '{\n  "a": 1\n}\n', '{\n  "a": 1,\n  "auths": {\n    "h": {\n      "auth": "x"\n    }\n  }\n}\n'],
    ['an empty object in it', '{\n  "auths": {}\n}', '{\n  "auths": {\n    "h": {\n      "auth": "x"\n    }\n  }\n}'],
    ['an older value', '{"auths":{"h":{"auth":"old","email":"e"},"i":{}}}', '{"auths":{"h":{"auth":"x"},"i":{}}}'],
    ['a name that is escaped', '{"auths":{"\\u0068":1}}', '{"auths":{"\\u0068":{"auth":"x"}}}'],
    [
      'names and braces in texts',
      '{"b":"}{,\\"auths\\"","auths":{"g":"}"}}',
      '{"b":"}{,\\"auths\\"","auths":{"g":"}","h":{"auth":"x"}}}',
    ],
    [
      'carriage returns',
      '{\r\n  "a": 1,\r\n  "b": 2\r\n}',
      '{\r\n  "a": 1,\r\n  "b": 2,\r\n  "auths": {\n    "h": {\n      "auth": "x"\n    }\n  }\r\n}',
    ],
    ['no object', '{"auths":null}', '{"auths":{"h":{"auth":"x"}}}'],
  ])('in %s', (_name, text, expected) => {
    const edited = withJsonMember(text, ['auths', 'h'], { auth: 'x' });
    expect(edited).toBe(expected);
    expect(withJsonMember(edited, ['auths', 'h'], { auth: 'x' })).toBe(edited);
  });
});

describe('taking a member away', () => {
  test.each<[string, string, string]>([
    ['the only one', '{"auths":{ "h": 1 }}', '{"auths":{}}'],
    ['the first', '{"auths":{"h":1, "i":2}}', '{"auths":{"i":2}}'],
    ['the last', '{"auths":{"g":1, "h":2 }}', '{"auths":{"g":1 }}'],
    [
      'one between',
      '{\n "auths": {\n  "g": 1,\n  "h": 2,\n  "i": 3\n }\n}',
      '{\n "auths": {\n  "g": 1,\n  "i": 3\n }\n}',
    ],
    ['none', '{"auths":{"i":1},"h":2}', '{"auths":{"i":1},"h":2}'],
    ['of no object', '{"auths":"h"}', '{"auths":"h"}'],
    ['of nothing', '', ''],
  ])('%s', (_name, text, expected) => {
    expect(withoutJsonMember(text, ['auths', 'h'])).toBe(expected);
  });
});

test('any document keeps its other members, whatever they hold', () => {
  const documents = fc.dictionary(fc.string(), fc.jsonValue());
  const paths = fc.tuple(fc.string(), fc.string());
  const indents = fc.constantFrom(undefined, 1, 2, 4, '\t');
  fc.assert(
    fc.property(documents, paths, indents, fc.string(), (generated, [outer, inner], indent, value) => {
      const text = JSON.stringify(generated, undefined, indent);
      // As it is in JSON, which writes -0 as 0.
      const document = JSON.parse(text) as typeof generated;
      const edited = withJsonMember(text, [outer, inner], { auth: value } satisfies JsonValue);
      const known = Object.hasOwn(document, outer) ? document[outer] : undefined;
      const object = typeof known === 'object' && known !== null && !Array.isArray(known) ? known : {};
      const expected = entriesOf(
        document,
        outer,
        Object.fromEntries([...Object.entries(object).filter(([name]) => name !== inner), [inner, { auth: value }]]),
      );
      expect(new Map(Object.entries(JSON.parse(edited) as object))).toEqual(expected);
      const removed = JSON.parse(withoutJsonMember(edited, [outer, inner])) as Record<string, object>;
      expect(Object.keys(removed[outer] ?? {})).not.toContain(inner);
    }),
  );
});

function entriesOf(document: object, name: string, value: unknown): ReadonlyMap<string, unknown> {
  return new Map([...Object.entries(document).filter(([other]) => other !== name), [name, value]]);
}
