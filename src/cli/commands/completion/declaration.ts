import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const completionCommand: CommandDeclaration = {
  name: 'completion',
  usage: 'bash|zsh|fish',
  positionals: { min: 1, max: 1 },
  summary: 'Print the completion script of a shell',
  uses: [],
  options: [],
  examples: [['source <(mlist completion bash)', 'Complete in this shell']],
  load: () => import('./handler.ts'),
};
