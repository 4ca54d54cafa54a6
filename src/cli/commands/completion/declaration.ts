import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const completionCommand: CommandDeclaration = {
  name: 'completion',
  usage: 'bash|zsh|fish',
  positionals: { min: 1, max: 1, kinds: [['shell']] },
  summary: 'Print the completion script for a shell',
  uses: [],
  options: [],
  examples: [['source <(mlist completion bash)', 'Enable completion in the current shell']],
  load: () => import('./handler.ts'),
};
