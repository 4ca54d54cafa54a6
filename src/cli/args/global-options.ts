import type { CommandDeclaration, OptionDeclaration } from './command-declaration.ts';

/** Options that several commands share. */

const general: readonly OptionDeclaration[] = [
  { name: 'json', type: 'boolean', describe: 'Print one JSON document on stdout; errors are JSON lines on stderr' },
  { name: 'quiet', alias: 'q', type: 'boolean', describe: 'Errors only on stderr' },
  {
    name: 'progress',
    type: 'string',
    choices: ['auto', 'tty', 'plain', 'json', 'none'],
    value: 'KIND',
    describe: 'How progress is told on stderr: auto, tty, plain, json or none (default auto)',
  },
  {
    name: 'workspace',
    type: 'string',
    value: 'DIR',
    describe: 'Folder that holds the drafts (environment: MLIST_WORKSPACE)',
  },
  { name: 'debug', alias: 'D', type: 'boolean', describe: 'Tell every request on stderr, without secrets' },
  { name: 'no-input', type: 'boolean', describe: 'Never ask' },
  { name: 'help', alias: 'h', type: 'boolean', describe: 'Show help' },
  { name: 'version', type: 'boolean', describe: 'Show the version' },
];

const onRegistries: readonly OptionDeclaration[] = [
  { name: 'concurrency', type: 'number', value: 'N', describe: 'Requests at once for each registry (default 32)' },
  { name: 'retries', type: 'number', value: 'N', describe: 'Further tries of what may be repeated (default 4)' },
  {
    name: 'timeout',
    type: 'string',
    value: 'TIME',
    describe: 'Silence after which a request is given up: 500ms, 30s, 1m30s, 1h; seconds without a unit (default 30s)',
  },
  {
    name: 'deadline',
    type: 'string',
    value: 'TIME',
    describe: 'Most time for the whole command, written like --timeout (default 10m)',
  },
  { name: 'insecure', type: 'boolean', describe: 'Do not verify certificates, and fall back to http' },
  { name: 'plain-http', type: 'string', repeat: true, value: 'HOST', describe: 'Speak http to this registry' },
  { name: 'ca-file', type: 'string', value: 'FILE', describe: 'Trust the certificates in this file too' },
  {
    name: 'authfile',
    type: 'string',
    value: 'FILE',
    describe: 'Look for credentials in this file only (default: those of docker and podman)',
  },
  {
    name: 'auth-host',
    type: 'string',
    repeat: true,
    value: 'REG=HOST',
    describe: 'Let the token service HOST see the credentials of the registry REG',
  },
];

/** Every command takes them, so that a script can say them once for all. */
export const globalOptions: readonly OptionDeclaration[] = [...general, ...onRegistries];

const onDrafts: readonly OptionDeclaration[] = [
  {
    name: 'list',
    alias: 'l',
    type: 'string',
    value: 'LIST',
    describe: 'The draft to work on (environment: MLIST_LIST; default: the current draft)',
  },
];

/** All options of a command: its own first. */
export function optionsOf(command: CommandDeclaration): readonly OptionDeclaration[] {
  return [...command.options, ...(command.uses.includes('draft') ? onDrafts : []), ...globalOptions];
}
