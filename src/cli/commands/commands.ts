import type { CommandDeclaration } from '../args/command-declaration.ts';
import { addCommand } from './add/declaration.ts';
import { annotateCommand } from './annotate/declaration.ts';
import { applyCommand } from './apply/declaration.ts';
import { completionCommand } from './completion/declaration.ts';
import { copyCommand } from './copy/declaration.ts';
import { createCommand } from './create/declaration.ts';
import { deleteCommand } from './delete/declaration.ts';
import { diffCommand } from './diff/declaration.ts';
import { digestCommand } from './digest/declaration.ts';
import { dockerCliPluginMetadataCommand } from './docker-cli-plugin-metadata/declaration.ts';
import { doctorCommand } from './doctor/declaration.ts';
import { existsCommand } from './exists/declaration.ts';
import { explainCommand } from './explain/declaration.ts';
import { exportCommand } from './export/declaration.ts';
import { gcCommand } from './gc/declaration.ts';
import { initCommand } from './init/declaration.ts';
import { inspectCommand } from './inspect/declaration.ts';
import { joinCommand } from './join/declaration.ts';
import { loginCommand } from './login/declaration.ts';
import { logoutCommand } from './logout/declaration.ts';
import { lsCommand } from './ls/declaration.ts';
import { pruneCommand } from './prune/declaration.ts';
import { pushCommand } from './push/declaration.ts';
import { removeCommand } from './remove/declaration.ts';
import { resolveCommand } from './resolve/declaration.ts';
import { rmCommand } from './rm/declaration.ts';
import { serveCommand } from './serve/declaration.ts';
import { showCommand } from './show/declaration.ts';
import { tagsCommand } from './tags/declaration.ts';
import { useCommand } from './use/declaration.ts';
import { validateCommand } from './validate/declaration.ts';
import { versionCommand } from './version/declaration.ts';

/** The commands for one kind of task. They form a section of the overview, and of docs/cli.md. */
export interface CommandGroup {
  readonly title: string;
  readonly commands: readonly CommandDeclaration[];
}

export const commandGroups: readonly CommandGroup[] = [
  {
    title: 'Draft a list',
    commands: [
      createCommand,
      addCommand,
      removeCommand,
      annotateCommand,
      lsCommand,
      useCommand,
      rmCommand,
      initCommand,
      pruneCommand,
    ],
  },
  { title: 'Publish', commands: [pushCommand, joinCommand, applyCommand, exportCommand] },
  { title: 'Inspect', commands: [showCommand, inspectCommand, digestCommand, resolveCommand] },
  { title: 'Check', commands: [validateCommand, diffCommand, explainCommand, existsCommand] },
  { title: 'Transfer', commands: [copyCommand] },
  { title: 'Registry', commands: [tagsCommand, deleteCommand, loginCommand, logoutCommand, serveCommand, gcCommand] },
  { title: 'Shell and support', commands: [completionCommand, doctorCommand, versionCommand] },
];

/** All commands, in the order of the help. */
export const commands: readonly CommandDeclaration[] = [
  ...commandGroups.flatMap((group) => group.commands),
  dockerCliPluginMetadataCommand,
];
