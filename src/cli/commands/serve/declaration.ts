import type { CommandDeclaration } from '../../args/command-declaration.ts';

export const serveCommand: CommandDeclaration = {
  name: 'serve',
  usage: '',
  positionals: { min: 0, max: 0 },
  summary: 'Run the embedded registry; the first line on stdout is its URL',
  uses: [],
  options: [
    {
      name: 'addr',
      type: 'string',
      value: 'HOST:PORT',
      describe: 'Where to listen; port 0 picks a free one (default 127.0.0.1:5000)',
    },
    {
      name: 'dir',
      type: 'string',
      value: 'DIR',
      describe: 'Keep content in DIR, one OCI layout for each repository (default: in memory)',
    },
    { name: 'read-only', type: 'boolean', describe: 'Refuse to write' },
    { name: 'tls-cert', type: 'string', value: 'FILE', describe: 'Certificate (PEM): speak https' },
    { name: 'tls-key', type: 'string', value: 'FILE', describe: 'Key of the certificate (PEM)' },
    {
      name: 'htpasswd',
      type: 'string',
      value: 'FILE',
      describe: 'Require a login: FILE has lines of USER:HASH with bcrypt, {SHA} or {SHA256} hashes',
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
      describe: 'With --hash-password: read the password from stdin (default: asked for)',
    },
  ],
  examples: [
    ['mlist serve --addr 127.0.0.1:0 --dir ./registry', 'A registry for a test'],
    ['mlist serve --hash-password me > users && mlist serve --htpasswd users', 'With a login; asks for the password'],
  ],
  load: () => import('./handler.ts'),
};
