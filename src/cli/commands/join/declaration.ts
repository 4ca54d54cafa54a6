import type { CommandDeclaration } from '../../args/command-declaration.ts';
import { missingOption, replaceImageOption, waitForSourceOption } from '../../args/list-options.ts';

export const joinCommand: CommandDeclaration = {
  name: 'join',
  usage: 'REF MANIFEST[=PLATFORM]...  or  --prune REF',
  positionals: { min: 1, max: Number.POSITIVE_INFINITY },
  summary: "Add this runner's platforms to a tag that other runners add to at the same time; no merge job is needed",
  uses: ['registry'],
  options: [
    {
      name: 'expect',
      type: 'string',
      repeat: true,
      value: 'P,P',
      describe: 'All platforms of the build: the tag appears once, complete, in this order',
    },
    {
      name: 'group',
      type: 'string',
      value: 'ID',
      describe: "What all runners of one build share, and no other build (default: the CI's id of the run)",
    },
    {
      name: 'wait',
      type: 'string',
      value: 'TIME',
      describe: 'With --expect, wait so long for the others, such as 20m (default: the last runner completes the list)',
    },
    {
      name: 'attestations',
      type: 'string',
      choices: ['keep', 'drop'],
      value: 'WHAT',
      describe: 'keep or drop the attestations of an index (default keep)',
    },
    missingOption,
    replaceImageOption,
    waitForSourceOption,
    { name: 'prune', type: 'boolean', describe: 'Delete the tags that runners have left beside REF' },
  ],
  examples: [
    [
      'mlist join team/app:1.0 team/app@$DIGEST --expect linux/amd64,linux/arm64',
      'In each job of a CI matrix: the last one makes the tag appear',
    ],
    ['mlist join team/app:nightly team/app:nightly-riscv64 --group "$BUILD"', 'Add one platform to what is there'],
    ['mlist join --prune team/app:1.0', 'Tidy up when no build is at work'],
  ],
  load: () => import('./handler.ts'),
};
