import type { CommandDeclaration } from '../../args/command-declaration.ts';
import { fillFromOption, missingOption, replaceImageOption, waitForSourceOption } from '../../args/list-options.ts';

export const joinCommand: CommandDeclaration = {
  name: 'join',
  usage: 'REF MANIFEST[=PLATFORM]...  or  --prune REF',
  positionals: { min: 1, max: Number.POSITIVE_INFINITY, kinds: [['image'], ['image=platform']] },
  summary: 'Add images to a tag that several CI jobs write, without a merge job',
  uses: ['registry'],
  options: [
    {
      name: 'expect',
      type: 'string',
      repeat: true,
      value: 'PLATFORM[,PLATFORM]',
      describe: 'Write the tag only when there are images for all these platforms, and sort them in this order',
    },
    {
      name: 'group',
      type: 'string',
      value: 'ID',
      describe:
        'Set an ID that all jobs of this build share and no other build uses (default: the run ID of the CI system)',
    },
    {
      name: 'wait',
      type: 'string',
      value: 'DURATION',
      describe:
        'With --expect: wait up to DURATION, such as 20m, for the other jobs (default: do not wait; the last job writes the tag)',
    },
    {
      name: 'attestations',
      type: 'string',
      choices: ['keep', 'drop'],
      value: 'MODE',
      describe: 'Keep or drop the attestations of an index (default keep)',
    },
    missingOption,
    fillFromOption,
    replaceImageOption,
    waitForSourceOption,
    {
      name: 'prune',
      type: 'boolean',
      describe: 'Delete leftover temporary tags from the repository of REF; run this only while no build is running',
    },
  ],
  examples: [
    [
      'mlist join team/app:1.0 team/app@$DIGEST --expect linux/amd64,linux/arm64',
      'Run in each job of a CI matrix; the last job writes the tag',
    ],
    ['mlist join team/app:nightly team/app:nightly-riscv64 --group "$BUILD"', 'Add a platform to an existing tag'],
    ['mlist join --prune team/app:1.0', 'Delete leftover temporary tags'],
  ],
  load: () => import('./handler.ts'),
};
