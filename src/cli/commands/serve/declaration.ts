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
      describe:
        'Require a login; each line of FILE is USER:HASH[:RIGHTS] with a bcrypt, {SHA} or {SHA256} hash, and RIGHTS such as read,write:team/app (default: write everything)',
    },
    { name: 'anonymous-pull', type: 'boolean', describe: 'With --htpasswd: allow everybody to pull' },
    {
      name: 'allow-sparse',
      type: 'boolean',
      describe: 'Accept lists and manifests whose images, configs or layers are not in the repository',
    },
    {
      name: 'access-log',
      type: 'string',
      choices: ['auto', 'text', 'json', 'off'],
      value: 'FORMAT',
      describe:
        'Log every request to stderr: text, json, off or auto (default auto: text on a terminal, otherwise JSON lines)',
    },
    {
      name: 'drain',
      type: 'string',
      value: 'DURATION',
      describe: 'When interrupted, let running requests and uploads continue for DURATION (default 10s)',
    },
    {
      name: 'proxy',
      type: 'string',
      repeat: true,
      value: 'HOST[=URL]',
      describe: 'Cache what clients pull from the registry HOST, and read it from URL if URL is given',
    },
    {
      name: 'proxy-ttl',
      type: 'string',
      value: 'DURATION',
      describe: 'Serve a cached tag for DURATION before it is compared with the registry again (default 1m)',
    },
    {
      name: 'proxy-login',
      type: 'boolean',
      describe: 'Pull with the stored credentials; all clients can then read what these credentials can read',
    },
    {
      name: 'memory',
      type: 'string',
      value: 'SIZE',
      describe: 'Limit the memory for content and requests to SIZE (default: half of the available memory)',
    },
    {
      name: 'max-connections',
      type: 'number',
      value: 'N',
      describe: 'Close idle connections while more than N are open (default 1000)',
    },
    { name: 'max-upload', type: 'string', value: 'SIZE', describe: 'Refuse blobs of more than SIZE, such as 2GiB' },
    {
      name: 'max-open-uploads',
      type: 'number',
      value: 'N',
      describe: 'Refuse uploads while N others are open (default 1000)',
    },
    {
      name: 'upload-idle',
      type: 'string',
      value: 'DURATION',
      describe: 'Remove an upload after DURATION without a request (default 1h)',
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
    ['mlist serve --dir ./cache --proxy docker.io', 'Cache what clients pull from Docker Hub'],
    [
      'mlist serve --addr 0.0.0.0:5000 --tls-cert cert.pem --tls-key key.pem --htpasswd users --anonymous-pull',
      'Let everybody pull, and require a login to push',
    ],
    [
      'mlist serve --hash-password me > users && mlist serve --htpasswd users',
      'Require a login, with a prompt for the password',
    ],
  ],
  foreignOptions: [['port', 'Use --addr HOST:PORT.']],
  load: () => import('./handler.ts'),
};
