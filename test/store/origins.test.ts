import { describe, expect, test } from '@jest/globals';
import { repositoryName } from '../../src/oci/reference.ts';
import { isInternalHost, originsIn } from '../../src/store/origins.ts';

const source = (host: string): string => `containerd.io/distribution.source.${host}`;
const imageName = 'io.containerd.image.name';
const refName = 'org.opencontainers.image.ref.name';

describe('the repositories that annotations name', () => {
  const cases: readonly (readonly [string, readonly Readonly<Record<string, string>>[], readonly string[]])[] = [
    ['where it was pulled from', [{ [source('docker.io')]: 'library/alpine' }], ['docker.io/library/alpine']],
    ['several repositories', [{ [source('x.io')]: 'a,b/c' }], ['x.io/a', 'x.io/b/c']],
    [
      'a name that a user has given comes last',
      [{ [imageName]: 'y.io/mine:1', [source('x.io')]: 'a' }],
      ['x.io/a', 'y.io/mine'],
    ],
    ['the port comes from the full name', [{ [source('x.io')]: 'a', [imageName]: 'x.io:5000/a:1' }], ['x.io:5000/a']],
    ['a host without a dot is not a namespace of docker.io', [{ [source('registry')]: 'team/app' }], []],
    [
      'the port of another host does not',
      [{ [source('x.io')]: 'a', [imageName]: 'y.io:5000/a:1' }],
      ['x.io/a', 'y.io:5000/a'],
    ],
    ['skopeo and podman store the full name as the tag', [{ [refName]: 'x.io/a:1' }], ['x.io/a']],
    ['a tag is not a repository', [{ [refName]: '1.0' }], []],
    ['a name without a host is not an origin', [{ [refName]: 'team/app:1' }], []],
    ['a name in its familiar form is not one either', [{ [imageName]: 'alpine:3' }], []],
    ['the names of all entries', [{ [imageName]: 'x.io/a:1' }, { [imageName]: 'x.io/b:1' }, {}], ['x.io/a', 'x.io/b']],
    ['each once', [{ [imageName]: 'x.io/a:1' }, { [imageName]: 'x.io/a:2', [source('x.io')]: 'a' }], ['x.io/a']],
    [
      'invalid names are ignored',
      [{ [source('x.io')]: 'UPPER,../..,,ok', [imageName]: 'http://x/y', [source('')]: 'a' }],
      ['x.io/ok'],
    ],
    [
      'at most eight',
      [{ [source('x.io')]: Array.from({ length: 50 }, (_, at) => `r${at}`).join(',') }],
      Array.from({ length: 8 }, (_, at) => `x.io/r${at}`),
    ],
  ];
  test.each(cases)('%s', (_name, annotations, expected) => {
    expect(originsIn(annotations).map(repositoryName)).toEqual(expected);
  });
});

describe('internal hosts', () => {
  test.each([
    'localhost',
    'localhost:5000',
    '[64:ff9b::7f00:1]:5000',
    'LOCALHOST:1',
    'a.localhost',
    '127.0.0.1',
    '127.1:5000',
    '2130706433:80',
    '0x7f.0.0.1',
    '0.0.0.0:5000',
    '10.0.0.1',
    '100.64.0.1',
    '169.254.169.254',
    '172.31.255.255',
    '192.168.1.1:443',
    '[::1]:5000',
    '[::]:1',
    '[::ffff:127.0.0.1]:1',
    '[::ffff:10.0.0.1]:1',
    '[fd00::1]:1',
    '[fe80::1]:1',
  ])('%s', (host) => expect(isInternalHost(host)).toBe(true));
});

describe('other hosts', () => {
  test.each(['docker.io', 'registry.internal:5000', '8.8.8.8', '172.32.0.1', '11.0.0.1:5000', '[2001:db8::1]:443'])(
    '%s',
    (host) => expect(isInternalHost(host)).toBe(false),
  );
});
