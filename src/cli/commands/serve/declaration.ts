import type { CommandDeclaration } from '../../args/command-declaration.ts';
import { deleteUntaggedOption, graceOption } from '../../args/garbage-options.ts';

export const serveCommand: CommandDeclaration = {
  name: 'serve',
  usage: '',
  positionals: { min: 0, max: 0 },
  summary: 'Run the embedded registry, and print its URL',
  uses: [],
  options: [
    {
      name: 'addr',
      type: 'string',
      value: 'HOST:PORT',
      describe: 'Listen on HOST:PORT; port 0 selects a free port (default 127.0.0.1:5000)',
    },
    {
      name: 'dir',
      type: 'string',
      value: 'DIR',
      describe: 'Store content in DIR, as one OCI layout per repository (default: in memory)',
    },
    {
      name: 'gc',
      type: 'boolean',
      describe: 'Remove content of --dir that nothing refers to, at the start and then regularly',
    },
    graceOption,
    deleteUntaggedOption,
    { name: 'read-only', type: 'boolean', describe: 'Refuse all writes' },
    { name: 'tls-cert', type: 'string', value: 'FILE', describe: 'Serve HTTPS with the certificate in FILE (PEM)' },
    {
      name: 'tls-key',
      type: 'string',
      value: 'FILE',
      describe: 'Read the private key of the certificate from FILE (PEM)',
    },
    {
      name: 'htpasswd',
      type: 'string',
      value: 'FILE',
      describe: 'Require a login; each line of FILE is USER:HASH with a bcrypt, {SHA} or {SHA256} hash',
    },
    {
      name: 'hash-password',
      type: 'string',
      value: 'USER',
      describe: 'Print a line for --htpasswd with a bcrypt hash, and exit',
    },
    {
      name: 'password-stdin',
      type: 'boolean',
      describe: 'With --hash-password: read the password from stdin (default: prompt for it)',
    },
  ],
  examples: [
    ['mlist serve --addr 127.0.0.1:0 --dir ./registry', 'Run a registry for a test'],
    [
      'mlist serve --hash-password me > users && mlist serve --htpasswd users',
      'Require a login, with a prompt for the password',
    ],
  ],
  load: () => import('./handler.ts'),
};
