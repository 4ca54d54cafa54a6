import type { CommandSpec } from '../../args/command-declaration.ts';

export const completionCommand: CommandSpec = {
  name: 'completion',
  usage: 'bash|zsh|fish',
  positionals: { min: 1, max: 1 },
  summary: 'Print the completion script of a shell',
  uses: [],
  options: [],
  examples: [['source <(mlist completion bash)', 'Complete in this shell']],
  load: () => import('./handler.ts'),
};
