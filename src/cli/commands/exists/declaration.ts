import type { CommandDeclaration } from '../../args/command-declaration.ts';
import { waitOption } from '../../args/list-options.ts';

export const existsCommand: CommandDeclaration = {
  name: 'exists',
  usage: 'LIST|REF',
  positionals: { min: 1, max: 1 },
  summary: 'Check whether a draft or a manifest exists (exit code 0 or 4)',
  uses: ['registry'],
  options: [waitOption],
  examples: [
    [
      'mlist exists docker://team/app:1.0 || { [ $? = 4 ] && mlist push team/app:1.0; }',
      'Push a list that the registry lacks, but do nothing if the registry cannot be reached',
    ],
  ],
  load: () => import('./handler.ts'),
};
