import type { CommandDeclaration } from '../../args/command-declaration.ts';
import { platformOption } from '../../args/list-options.ts';

export const resolveCommand: CommandDeclaration = {
  name: 'resolve',
  usage: 'LIST|REF',
  positionals: { min: 0, max: 1, kinds: [['draft', 'image']] },
  summary: 'Print the digest of the image that containerd selects for a platform',
  uses: ['draft', 'registry'],
  options: [{ ...platformOption, describe: 'Set the platform (default: linux with the architecture of this machine)' }],
  examples: [['mlist resolve team/app:1.0 --platform linux/arm64', 'Print what an arm64 machine pulls']],
  load: () => import('./handler.ts'),
};
