import type { CommandDeclaration, OptionDeclaration } from './command-declaration.ts';

const general: readonly OptionDeclaration[] = [
  {
    name: 'json',
    type: 'boolean',
    describe: 'Print the result as one JSON document, and events and errors as JSON lines on stderr',
  },
  { name: 'quiet', alias: 'q', type: 'boolean', describe: 'Print only errors on stderr' },
  {
    name: 'progress',
    type: 'string',
    choices: ['auto', 'tty', 'plain', 'json', 'none'],
    value: 'MODE',
    describe: 'Set the progress output on stderr: auto, tty, plain, json or none (default auto)',
  },
  {
    name: 'workspace',
    type: 'string',
    value: 'DIR',
    describe: 'Store the drafts in DIR (environment: MLIST_WORKSPACE)',
  },
  {
    name: 'allow-outside',
    type: 'boolean',
    describe: 'Allow drafts and specs to refer to paths outside the project, and to engine images',
  },
  { name: 'debug', alias: 'D', type: 'boolean', describe: 'Log every request to stderr, without credentials' },
  { name: 'no-input', type: 'boolean', describe: 'Disable prompts' },
  { name: 'help', alias: 'h', type: 'boolean', describe: 'Show help' },
  { name: 'version', type: 'boolean', describe: 'Show the version' },
];

const onRegistries: readonly OptionDeclaration[] = [
  {
    name: 'concurrency',
    type: 'number',
    value: 'N',
    describe: 'Limit the concurrent requests to each registry (default 32, or 100 over HTTP/2)',
  },
  {
    name: 'retries',
    type: 'number',
    value: 'N',
    describe: 'Retry a failed request up to N times, if it is safe to repeat (default 4)',
  },
  {
    name: 'timeout',
    type: 'string',
    value: 'DURATION',
    describe:
      'Abort a request that makes no progress for DURATION, such as 500ms, 30s or 1m30s; a number without a unit is in seconds (default 30s)',
  },
  {
    name: 'deadline',
    type: 'string',
    value: 'DURATION',
    describe: 'Abort the command after DURATION (default 10m)',
  },
  {
    name: 'insecure',
    type: 'boolean',
    describe: 'Skip the verification of TLS certificates, and fall back to HTTP if HTTPS fails',
  },
  {
    name: 'plain-http',
    type: 'string',
    repeat: true,
    value: 'HOST',
    describe: 'Use HTTP instead of HTTPS for the registry HOST',
  },
  { name: 'http1', type: 'boolean', describe: 'Use HTTP/1.1 even if a registry supports HTTP/2' },
  {
    name: 'mirror',
    type: 'string',
    repeat: true,
    value: 'HOST=URL[,URL]',
    describe: 'Read from these mirrors of the registry HOST first (environment: MLIST_MIRRORS)',
  },
  {
    name: 'no-mirrors',
    type: 'boolean',
    describe:
      'Ignore mirrors, and the registry configuration of docker, podman and containerd (environment: MLIST_NO_MIRRORS)',
  },
  { name: 'ca-file', type: 'string', value: 'FILE', describe: 'Also trust the CA certificates in FILE' },
  {
    name: 'authfile',
    type: 'string',
    value: 'FILE',
    describe: 'Use only the credentials in FILE (default: the credentials of docker and podman)',
  },
  {
    name: 'auth-host',
    type: 'string',
    repeat: true,
    value: 'REGISTRY=HOST',
    describe: 'Send the credentials of REGISTRY to its token service on HOST',
  },
  {
    name: 'allow-registry',
    type: 'string',
    repeat: true,
    value: 'HOST',
    describe:
      'Send credentials and write only to the registry HOST, or to *.DOMAIN; read from other registries anonymously (environment: MLIST_ALLOW_REGISTRIES)',
  },
  {
    name: 'spool-limit',
    type: 'string',
    value: 'SIZE',
    describe: 'Limit the temporary files of the command to SIZE, such as 10GiB (default: 90 % of the free space)',
  },
];

/** The options that all commands accept, even if they have no effect, so that scripts can always pass them. */
export const globalOptions: readonly OptionDeclaration[] = [...general, ...onRegistries];

const onDrafts: readonly OptionDeclaration[] = [
  {
    name: 'list',
    alias: 'l',
    type: 'string',
    value: 'LIST',
    describe: 'Use the draft LIST (environment: MLIST_LIST; default: the current draft)',
  },
];

/** Returns the options of a command without the global options. */
export function ownOptions(command: CommandDeclaration): readonly OptionDeclaration[] {
  return [...command.options, ...(command.uses.includes('draft') ? onDrafts : [])];
}

/** Returns all options of a command: its own options, then the global options. */
export function optionsOf(command: CommandDeclaration): readonly OptionDeclaration[] {
  return [...ownOptions(command), ...globalOptions];
}
