import type { CommandDeclaration } from '../../args/command-declaration.ts';
import { waitOption } from '../../args/list-options.ts';

export const existsCommand: CommandDeclaration = {
  name: 'exists',
  usage: 'LIST|REF',
  positionals: { min: 1, max: 1 },
  summary:
    'Report by the exit code whether a draft or a manifest exists: 0 or 4, or another code if that cannot be determined',
  uses: ['registry'],
  options: [waitOption],
  examples: [
    [
      'mlist exists docker://team/app:1.0 || { [ $? = 4 ] && mlist push team/app:1.0; }',
      'Push what the registry does not have; do nothing if the registry cannot be asked',
    ],
  ],
  load: () => import('./handler.ts'),
};
