import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const doctorCommand: CommandDeclaration = {
  name: 'doctor',
  usage: '[REGISTRY]',
  positionals: { min: 0, max: 1 },
  summary: 'Report the configuration, engines and stored credentials that mlist finds, without secrets',
  uses: ['registry'],
  worksWithoutWorkspace: true,
  options: [],
  examples: [
    ['mlist doctor', 'Examine this machine; no registry is contacted'],
    ['mlist doctor ghcr.io', 'Also check a registry: connection, TLS, login and clock'],
    ['mlist doctor --json > doctor.json', 'Write the report to attach to a bug report'],
  ],
  load: () => import('./handler.ts'),
};
