import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const explainCommand: CommandDeclaration = {
  name: 'explain',
  usage: '[LIST|REF]',
  positionals: { min: 0, max: 1 },
  summary: 'Tell which image of a list each client picks and why, and whether this machine runs it',
  uses: ['draft', 'registry'],
  options: [
    {
      name: 'platform',
      type: 'string',
      repeat: true,
      value: 'P',
      describe: "What the clients ask for (default: linux and this machine's CPU)",
    },
  ],
  examples: [
    ['mlist explain team/app:1.0', 'What docker, containerd, podman and others get on this machine'],
    ['mlist explain team/app:1.0 --platform linux/arm64 --platform linux/arm/v7', 'What they get on others'],
  ],
  load: () => import('./handler.ts'),
};
