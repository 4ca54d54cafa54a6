import type { CommandDeclaration } from '../../args/command-declaration.ts';
import { platformOption, waitOption } from '../../args/list-options.ts';

export const existsCommand: CommandDeclaration = {
  name: 'exists',
  usage: 'LIST|REF',
  positionals: { min: 1, max: 1, kinds: [['draft', 'image']] },
  summary: 'Check whether a draft or a manifest exists (exit code 0 or 4)',
  uses: ['registry'],
  options: [
    {
      ...platformOption,
      describe: 'Exit with code 4 unless there is an image for this platform, such as linux/arm64',
    },
    waitOption,
  ],
  examples: [
    [
      'mlist exists docker://team/app:1.0 || { [ $? = 4 ] && mlist push team/app:1.0; }',
      'Push a list that the registry lacks, but do nothing if the registry cannot be reached',
    ],
    ['mlist exists docker://team/app:1.0 --platform linux/arm64', 'Check whether a published list has an arm64 image'],
  ],
  load: () => import('./handler.ts'),
};
