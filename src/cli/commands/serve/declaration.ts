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
      describe: 'With --dir: remove unreferenced content at the start and then regularly',
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
        'Require a login; each line of FILE is USER:HASH[:RIGHTS], with a bcrypt, {SHA} or {SHA256} hash and RIGHTS such as read,write:team/app; without RIGHTS, USER may read and write all repositories',
    },
    { name: 'anonymous-pull', type: 'boolean', describe: 'With --htpasswd: allow pulls without a login' },
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
      describe: 'When interrupted, let requests and uploads in progress continue for up to DURATION (default 10s)',
    },
    {
      name: 'proxy',
      type: 'string',
      repeat: true,
      value: 'HOST[=URL]',
      describe: 'Cache content that clients pull from the registry HOST; with URL, the content is read from URL',
    },
    {
      name: 'proxy-ttl',
      type: 'string',
      value: 'DURATION',
      describe: 'Serve a cached tag for DURATION before checking it against the registry again (default 1m)',
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
      describe: 'Refuse new uploads while N uploads are open (default 1000)',
    },
    {
      name: 'upload-idle',
      type: 'string',
      value: 'DURATION',
      describe: 'Discard an upload that receives no request for DURATION (default 1h)',
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
      'Allow pulls without a login, and require a login to push',
    ],
    [
      'mlist serve --hash-password me > users && mlist serve --htpasswd users',
      'Create the user "me" with a password prompt, and require a login',
    ],
  ],
  foreignOptions: [['port', 'Use --addr HOST:PORT.']],
  load: () => import('./handler.ts'),
};
