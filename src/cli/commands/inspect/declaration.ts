import type { CommandDeclaration } from '../../args/command-declaration.ts';
import { platform } from '../../args/list-options.ts';

export const inspectCommand: CommandDeclaration = {
  name: 'inspect',
  usage: '[LIST|REF [MANIFEST]]',
  positionals: { min: 0, max: 2 },
  summary: 'Print a list or an image as JSON, to the byte as it is or would be pushed',
  uses: ['draft', 'registry'],
  options: [
    {
      name: 'verbose',
      alias: 'v',
      type: 'boolean',
      describe: "Docker's verbose shape, with the manifests of the list",
    },
    { name: 'raw', type: 'boolean', describe: 'Exact bytes, without a line break at the end' },
    { ...platform, describe: 'Print the manifest for this platform' },
  ],
  examples: [
    ['mlist inspect', 'The current draft'],
    ['mlist inspect --raw team/app:1.0 | sha256sum', 'The digest, by other means'],
  ],
  load: () => import('./handler.ts'),
};
