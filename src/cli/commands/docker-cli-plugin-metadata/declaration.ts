import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const dockerCliPluginMetadataCommand: CommandDeclaration = {
  name: 'docker-cli-plugin-metadata',
  hidden: true,
  usage: '',
  positionals: { min: 0, max: 0 },
  summary: 'Tell the docker command what this is, when it is installed as docker-mlist',
  uses: [],
  options: [],
  examples: [],
  load: () => import('./handler.ts'),
};
