import type { CommandDeclaration } from '../../args/command-declaration.ts';
import {
  compressionOption,
  fillFromOption,
  replaceImageOption,
  missingOption,
  specOptions,
  waitForSourceOption,
} from '../../args/list-options.ts';

export const applyCommand: CommandDeclaration = {
  name: 'apply',
  usage: '-f FILE...',
  positionals: { min: 0, max: 0, kinds: [['file']] },
  summary: 'Create or update lists from specs in YAML or JSON files',
  uses: ['registry'],
  options: [
    {
      name: 'file',
      alias: 'f',
      type: 'string',
      repeat: true,
      value: 'FILE',
      describe: 'Read specs (docs/apply.md) or manifest-tool specs from FILE, or - for stdin',
    },
    ...specOptions,
    {
      name: 'dry-run',
      type: 'boolean',
      describe: 'Print which tags would be written and their current digests, without writing anything',
    },
    {
      name: 'expect',
      type: 'string',
      value: 'kept',
      choices: ['kept'],
      describe: 'Refuse a list that lacks a platform that its tag has now; a spec can require other platforms',
    },
    replaceImageOption,
    { ...missingOption, describe: `${missingOption.describe}; a spec can override this` },
    fillFromOption,
    waitForSourceOption,
    compressionOption,
    {
      name: 'force',
      type: 'boolean',
      describe: 'Check all content of each list, and write its tags even if they already refer to the list',
    },
    {
      name: 'shard',
      type: 'string',
      value: 'I/N',
      describe: 'Apply only the lists of shard I of N, such as 1/4',
    },
  ],
  examples: [
    ['mlist apply -f lists.yaml --dry-run', 'Print what would be written'],
    ['mlist apply -f lists.yaml -f more.yaml', 'Apply all lists of both files; a second run writes nothing'],
    [
      'mlist apply -f lists.yaml --set VERSION=1.2.3 --env GITHUB_SHA',
      'Replace ${VERSION} and ${GITHUB_SHA} in the specs',
    ],
    ['mlist export team/app:1.0 | mlist apply -f -', 'Read a spec from stdin'],
  ],
  load: () => import('./handler.ts'),
};
