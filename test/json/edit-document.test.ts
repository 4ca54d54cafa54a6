import { describe, expect, test } from '@jest/globals';
import { removeMember, setMember } from '../../src/json/edit-document.ts';
import { fc } from '../support/seed.ts';

describe('setting a member', () => {
  test.each<[string, string, string]>([
    ['an empty text', '', '{\n\t"auths": {\n\t\t"h": {\n\t\t\t"auth": "x"\n\t\t}\n\t}\n}\n'],
    ['white space', ' \n', '{\n\t"auths": {\n\t\t"h": {\n\t\t\t"auth": "x"\n\t\t}\n\t}\n}\n'],
    ['an empty object', '{}', '{\n\t"auths": {\n\t\t"h": {\n\t\t\t"auth": "x"\n\t\t}\n\t}\n}'],
    ['an empty object on two lines', '{\n}\n', '{\n\t"auths": {\n\t\t"h": {\n\t\t\t"auth": "x"\n\t\t}\n\t}\n}\n'],
    ['one line', '{"a":1.0}', '{"a":1.0,"auths": {"h":{"auth":"x"}}}'],
    ['one line with spaces', '{ "a" : 1 }\n', '{ "a" : 1,"auths": {"h":{"auth":"x"}} }\n'],
    ['two spaces', '{\n  "a": 1\n}\n', '{\n  "a": 1,\n  "auths": {\n    "h": {\n      "auth": "x"\n    }\n  }\n}\n'],
    [
      'tabs',
      '{\n\t"auths": {\n\t\t"g": {}\n\t}\n}',
      '{\n\t"auths": {\n\t\t"g": {},\n\t\t"h": {\n\t\t\t"auth": "x"\n\t\t}\n\t}\n}',
    ],
    [
      'an empty object as the parent',
      '{\n  "auths": {}\n}',
      '{\n  "auths": {\n    "h": {\n      "auth": "x"\n    }\n  }\n}',
    ],
    ['an existing value', '{"auths":{"h":{"auth":"old","email":"e"},"i":{}}}', '{"auths":{"h":{"auth":"x"},"i":{}}}'],
    [
      'an existing value on several lines',
      '{\n "auths": {\n  "h": {\n   "auth": "old"\n  },\n  "i" : {}\n }\n}',
      '{\n "auths": {\n  "h": {\n   "auth": "x"\n  },\n  "i" : {}\n }\n}',
    ],
    ['an escaped name', '{"auths":{"\\u0068":1}}', '{"auths":{"\\u0068":{"auth":"x"}}}'],
    [
      'names and braces in strings',
      '{"b":"}{,\\"auths\\"","auths":{"g":"}"}}',
      '{"b":"}{,\\"auths\\"","auths":{"g":"}","h": {"auth":"x"}}}',
    ],
    [
      'carriage returns',
      '{\r\n  "a": 1,\r\n  "b": 2\r\n}',
      '{\r\n  "a": 1,\r\n  "b": 2,\r\n  "auths": {\r\n    "h": {\r\n      "auth": "x"\r\n    }\r\n  }\r\n}',
    ],
    [
      'several members on one line',
      '{\n  "a":1e3 ,  "auths": {"g":{}, "f" : [1,2]}, "z":{"y":[ ]}\n\n}',
      '{\n  "a":1e3 ,  "auths": {"g":{}, "f" : [1,2],\n    "h": {\n      "auth": "x"\n    }\n  }, "z":{"y":[ ]}\n\n}',
    ],
  ])('with %s', (_name, text, expected) => {
    const edited = setMember(text, ['auths', 'h'], { auth: 'x' });
    expect(edited).toBe(expected);
    expect(setMember(edited, ['auths', 'h'], { auth: 'x' })).toBe(edited);
  });

  test('fails if the parent is not an object', () => {
    expect(() => setMember('{"auths":null}', ['auths', 'h'], {})).toThrow('null');
  });
});

describe('removing a member', () => {
  test.each<[string, string, string]>([
    ['the only member', '{"auths":{ "h": 1 }}', '{"auths":{ }}'],
    ['the only member, on several lines', '{\n  "auths": {\n    "h": 1\n  }\n}', '{\n  "auths": {}\n}'],
    ['the first', '{"auths":{"h":1, "i":2.0}}', '{"auths":{"i":2.0}}'],
    ['the first, on several lines', '{\n "auths": {\n  "h": 1,\n  "i":2\n }\n}', '{\n "auths": {\n  "i":2\n }\n}'],
    ['the last', '{"auths":{"g":1, "h":2 }}', '{"auths":{"g":1 }}'],
    [
      'the last, on several lines',
      '{\n\t"auths": {\n\t\t"g":1,\n\t\t"h": 2\n\t}\n}',
      '{\n\t"auths": {\n\t\t"g":1\n\t}\n}',
    ],
    [
      'a middle one',
      '{\n "auths": {\n  "g": 1,\n  "h": 2,\n  "i": 3\n }\n}',
      '{\n "auths": {\n  "g": 1,\n  "i": 3\n }\n}',
    ],
    [
      'a middle one, with carriage returns',
      '{\r\n "auths": {\r\n  "h": 1,\r\n  "i": 2\r\n }\r\n}',
      '{\r\n "auths": {\r\n  "i": 2\r\n }\r\n}',
    ],
  ])('%s', (_name, text, expected) => {
    expect(removeMember(text, ['auths', 'h'])).toBe(expected);
  });
});

test('the other members of any document keep their order and spelling', () => {
  const names = fc.constantFrom('a', 'b', '__proto__', 'constructor', '1');
  const documents = fc.dictionary(names, fc.dictionary(names, fc.jsonValue()), { minKeys: 1 });
  const indents = fc.constantFrom(undefined, 1, 2, 4, '\t');
  fc.assert(
    fc.property(documents, names, names, indents, fc.string(), (document, outer, inner, indent, auth) => {
      const text = JSON.stringify(document, undefined, indent);
      const edited = setMember(text, [outer, inner], { auth });
      const key = JSON.stringify([outer, inner]);
      const expected = new Map(membersOf(text)).set(key, JSON.stringify({ auth }));
      expect(membersOf(edited)).toEqual(expected);
      const removed = removeMember(edited, [outer, inner]);
      expected.delete(key);
      expect(membersOf(removed)).toEqual(expected);
      if (Object.hasOwn(document, outer) && !membersOf(text).has(key)) expect(compact(removed)).toBe(compact(text));
    }),
  );
});

/** The values of all members at depth two, as JSON. */
function membersOf(text: string): ReadonlyMap<string, string> {
  const document = JSON.parse(text) as Readonly<Record<string, object>>;
  return new Map(
    Object.entries(document).flatMap(([outer, members]) =>
      Object.entries(members).map(([inner, value]) => [JSON.stringify([outer, inner]), JSON.stringify(value)]),
    ),
  );
}

/** The text without the white space between its tokens. */
function compact(text: string): string {
  return text.replace(/("(?:[^"\\]|\\.)*")|\s+/g, '$1');
}
