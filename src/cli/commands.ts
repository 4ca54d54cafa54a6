import { checkCommands } from './commands-checks.ts';
import { clientCommands } from './commands-clients.ts';
import { draftCommands } from './commands-drafts.ts';
import { joinCommands } from './commands-join.ts';
import type { CommandSpec } from './language.ts';
import { listCommands } from './commands-lists.ts';
import { manyCommands } from './commands-many.ts';
import { otherCommands } from './commands-other.ts';
import { placeCommands } from './commands-places.ts';
import { registryCommands } from './commands-registries.ts';

/** All commands, in the order of the help. */
export const commands: readonly CommandSpec[] = [
  ...listCommands,
  ...joinCommands,
  ...checkCommands,
  ...clientCommands,
  ...placeCommands,
  ...manyCommands,
  ...draftCommands,
  ...registryCommands,
  ...otherCommands,
];
