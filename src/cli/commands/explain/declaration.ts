import type { CommandDeclaration } from '../../args/command-declaration.ts';
import { outputFormatOption } from '../../args/output-format.ts';

export const explainCommand: CommandDeclaration = {
  name: 'explain',
  usage: '[LIST|REF]',
  positionals: { min: 0, max: 1, kinds: [['draft', 'image']] },
  summary: 'Explain which image each client selects, and whether this machine can run it',
  uses: ['draft', 'registry'],
  options: [
    {
      name: 'platform',
      type: 'string',
      repeat: true,
      value: 'PLATFORM[,PLATFORM]',
      describe: 'Set the requested platforms (default: linux with the architecture of this machine)',
    },
    {
      name: 'exit-code',
      type: 'boolean',
      describe:
        'Exit with code 4 if a client gets no image that runs on a requested platform, or with code 8 if clients get different images',
    },
    {
      name: 'verbose',
      alias: 'v',
      type: 'boolean',
      describe: 'Also show the attestations, and all reasons even if the clients agree',
    },
    outputFormatOption,
  ],
  examples: [
    ['mlist explain team/app:1.0', 'Show what docker, containerd, podman and others select on this machine'],
    [
      'mlist explain team/app:1.0 --platform linux/arm64 --platform linux/arm/v7',
      'Show what clients select on other machines',
    ],
    [
      'mlist explain team/app:1.0 --platform linux/amd64,linux/arm64 --exit-code',
      'Fail a CI job unless all clients get the same image',
    ],
  ],
  load: () => import('./handler.ts'),
};
