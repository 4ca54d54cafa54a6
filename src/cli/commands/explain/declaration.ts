import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const explainCommand: CommandDeclaration = {
  name: 'explain',
  usage: '[LIST|REF]',
  positionals: { min: 0, max: 1 },
  summary: 'Explain which image each client selects, and whether this machine runs it',
  uses: ['draft', 'registry'],
  options: [
    {
      name: 'platform',
      type: 'string',
      repeat: true,
      value: 'PLATFORM[,PLATFORM]',
      describe: 'Set the requested platforms (default: linux, and the architecture of this machine)',
    },
  ],
  examples: [
    ['mlist explain team/app:1.0', 'Show what docker, containerd, podman and others select on this machine'],
    [
      'mlist explain team/app:1.0 --platform linux/arm64 --platform linux/arm/v7',
      'Show what they select on other machines',
    ],
  ],
  load: () => import('./handler.ts'),
};
