import type { CommandDeclaration } from '../../args/command-declaration.ts';
import { replaceImageOption, missingOption, waitForSourceOption } from '../../args/list-options.ts';

export const applyCommand: CommandDeclaration = {
  name: 'apply',
  usage: '-f FILE...',
  positionals: { min: 0, max: 0 },
  summary: 'Make the lists that YAML or JSON files say, where they are not there already',
  uses: ['registry'],
  options: [
    {
      name: 'file',
      alias: 'f',
      type: 'string',
      repeat: true,
      value: 'FILE',
      describe: 'Specs of lists (docs/apply.md), or those of manifest-tool; - is stdin',
    },
    {
      name: 'dry-run',
      type: 'boolean',
      describe: 'Write nothing: tell which tags would be written, and what they have now',
    },
    {
      name: 'expect',
      type: 'string',
      value: 'kept',
      choices: ['kept'],
      describe: 'kept: refuse lists that lack a platform which their tag has now; else see expect in the specs',
    },
    replaceImageOption,
    { ...missingOption, describe: `${missingOption.describe}; missing in a spec overrides it` },
    waitForSourceOption,
    {
      name: 'force',
      type: 'boolean',
      describe: 'Check everything that each list needs, and write its tags even if they have the list',
    },
    {
      name: 'shard',
      type: 'string',
      value: 'I/N',
      describe: 'Apply only the lists that fall to runner I of N, from 1 on',
    },
  ],
  examples: [
    ['mlist apply -f lists.yaml --dry-run', 'What would be written'],
    ['mlist apply -f lists.yaml -f more.yaml', 'All lists of both files; a second run writes nothing'],
    ['mlist export team/app:1.0 | mlist apply -f -', 'From stdin'],
  ],
  load: () => import('./handler.ts'),
};
