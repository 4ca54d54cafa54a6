/** What the pictures show. */

export interface Scene {
  /** The beginning of the file names. */
  readonly name: string;
  readonly title: string;
  readonly widths: readonly number[];
  /** Commands that run before, and are not shown. */
  readonly before?: readonly (readonly string[])[];
  readonly commands: readonly (readonly string[])[];
}

const list = 'registry.example/team/app:1.0';
const both = [80, 120];

export const scenes: readonly Scene[] = [
  {
    name: 'show',
    title: 'mlist show: the platforms, digests, sizes and attestations of a list',
    widths: both,
    commands: [['show', list, '--sizes']],
  },
  {
    name: 'show-tree',
    title: 'mlist show --tree: the images of a list with their layers and attestations',
    widths: both,
    commands: [['show', list, '--tree']],
  },
  {
    name: 'explain',
    title: 'mlist explain: the image that each client gets, and whether this machine runs it',
    widths: both,
    commands: [['explain', list, '--platform', 'linux/arm64']],
  },
  {
    name: 'push',
    title: 'mlist push: a dry run, and the push',
    widths: both,
    before: [['create', 'registry.example/shop/app:2.0', 'registry.example/build/app:amd64', 'ci.example/app:arm64']],
    commands: [
      ['push', '--dry-run'],
      ['push', '-t', ':latest'],
    ],
  },
  {
    name: 'readme',
    title: 'mlist: create, annotate and push a list, and explain what clients get',
    widths: [80],
    commands: [
      [
        'create',
        'registry.example/shop/app:1.0',
        'registry.example/build/app:amd64',
        'registry.example/build/app:arm64',
      ],
      ['annotate', '--arch', 'arm64', '--variant', 'v8'],
      ['push'],
      ['explain', '--platform', 'linux/arm64'],
    ],
  },
];
