import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const dockerCliPluginMetadataCommand: CommandDeclaration = {
  name: 'docker-cli-plugin-metadata',
  hidden: true,
  usage: '',
  positionals: { min: 0, max: 0 },
  summary: 'Print the metadata that docker requests from its plugins',
  uses: [],
  options: [],
  examples: [],
  load: () => import('./handler.ts'),
};
