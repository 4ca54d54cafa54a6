import type { CommandDeclaration } from '../../args/command-declaration.ts';
import { platformOption } from '../../args/list-options.ts';

export const inspectCommand: CommandDeclaration = {
  name: 'inspect',
  usage: '[LIST|REF [MANIFEST]]',
  positionals: { min: 0, max: 2, kinds: [['draft', 'entry', 'image'], ['entry']] },
  summary: 'Print the manifest of a list or an image, byte for byte',
  uses: ['draft', 'registry'],
  options: [
    {
      name: 'verbose',
      alias: 'v',
      type: 'boolean',
      describe: 'Print in the format of docker manifest inspect --verbose',
    },
    { name: 'raw', type: 'boolean', describe: 'Print the exact bytes, without a trailing newline' },
    { ...platformOption, describe: 'Print the manifest for this platform' },
  ],
  examples: [
    ['mlist inspect', 'Print the list of the current draft'],
    ['mlist inspect --raw team/app:1.0 | sha256sum', 'Compute the digest of a list'],
  ],
  load: () => import('./handler.ts'),
};
