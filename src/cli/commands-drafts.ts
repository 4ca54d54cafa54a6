import type { CommandSpec } from './language.ts';
import { waitOption } from './list-options.ts';

/** The commands that keep the workspace. */

const many = Number.POSITIVE_INFINITY;

export const draftCommands: readonly CommandSpec[] = [
  {
    name: 'ls',
    usage: '',
    positionals: { min: 0, max: 0 },
    summary: 'List the drafts of the workspace',
    uses: [],
    options: [],
    examples: [['mlist ls --json', 'For programs']],
    load: () => import('./commands/ls.ts'),
  },
  {
    name: 'use',
    usage: 'LIST',
    positionals: { min: 1, max: 1 },
    summary: 'Make a draft the current one',
    uses: [],
    options: [],
    examples: [['mlist use team/app:1.0', 'Commands without LIST mean it from now on']],
    load: () => import('./commands/use.ts'),
  },
  {
    name: 'rm',
    usage: 'LIST...',
    positionals: { min: 1, max: many },
    summary: 'Remove drafts, damaged ones too; nothing in a registry is touched',
    uses: [],
    options: [],
    examples: [['mlist rm team/app:1.0', 'Remove one draft']],
    load: () => import('./commands/rm.ts'),
  },
  {
    name: 'exists',
    usage: 'LIST|REF',
    positionals: { min: 1, max: 1 },
    summary:
      'Report by the exit code whether a draft or a manifest exists: 0 or 4, or another code if that cannot be determined',
    uses: ['registry'],
    options: [waitOption],
    examples: [
      [
        'mlist exists docker://team/app:1.0 || { [ $? = 4 ] && mlist push team/app:1.0; }',
        'Push what the registry does not have; do nothing if the registry cannot be asked',
      ],
    ],
    load: () => import('./commands/exists.ts'),
  },
  {
    name: 'init',
    usage: '',
    positionals: { min: 0, max: 0 },
    summary: 'Make a workspace in this folder, whose drafts can be committed',
    uses: [],
    options: [],
    examples: [['mlist init', 'Makes .mlist/']],
    load: () => import('./commands/init.ts'),
  },
  {
    name: 'prune',
    usage: '',
    positionals: { min: 0, max: 0 },
    summary: 'Remove cached blobs that no draft needs',
    uses: [],
    options: [],
    examples: [['mlist prune', 'Only what is older than an hour']],
    load: () => import('./commands/prune.ts'),
  },
];
