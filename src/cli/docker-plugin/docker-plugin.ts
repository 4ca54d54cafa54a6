/**
 * This file parses the command lines of docker's calls to its CLI plugin `docker-mlist` (docker CLI 28.2,
 * cli-plugins/manager, and the completion protocol of spf13/cobra):
 *
 * - `docker-mlist [OPTIONS] mlist ARGUMENTS`. OPTIONS are docker's global options that the user typed before `mlist`.
 * - `docker-mlist help mlist [COMMAND]`
 * - `docker-mlist __complete mlist WORDS`, for completion
 */

/** The arguments and environment with which mlist runs. */
export interface PluginCall {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

interface DockerOption {
  readonly name: string;
  readonly alias?: string;
  readonly hasValue: boolean;
}

/**
 * docker's global options. The log level and the TLS files are accepted but ignored, because mlist has no equivalent
 * options.
 */
const dockerOptions: readonly DockerOption[] = [
  { name: 'config', hasValue: true },
  { name: 'context', alias: 'c', hasValue: true },
  { name: 'debug', alias: 'D', hasValue: false },
  { name: 'host', alias: 'H', hasValue: true },
  { name: 'log-level', alias: 'l', hasValue: true },
  { name: 'tls', hasValue: false },
  { name: 'tlscacert', hasValue: true },
  { name: 'tlscert', hasValue: true },
  { name: 'tlskey', hasValue: true },
  { name: 'tlsverify', hasValue: false },
];

const NAME = 'mlist';
const DEFAULT_CONTEXT = 'default';

/**
 * Removes docker's global options and the plugin name from the command line. `--config` and the options for the
 * engine become environment variables with the same effect, and `--debug` becomes the option of mlist. A command line
 * that is not from docker is returned unchanged.
 */
export function parsePluginCall(argv: readonly string[], env: PluginCall['env']): PluginCall {
  if (argv[0] === 'help' && argv[1] === NAME) return { args: ['help', ...argv.slice(2)], env };
  if (/^__complete(?:NoDesc)?$/.test(argv[0] ?? '') && argv[1] === NAME)
    return { args: [argv[0] ?? '', ...argv.slice(2)], env };
  const options = new Map<string, string>();
  let at = 0;
  while (at < argv.length && argv[at] !== NAME) {
    const used = readOption(argv, at, options);
    if (used === 0) return { args: argv, env };
    at += used;
  }
  if (at === argv.length) return { args: argv, env };
  const isDebug = isSet(options, 'debug');
  return {
    args: [...argv.slice(at + 1, at + 2), ...(isDebug ? ['--debug'] : []), ...argv.slice(at + 2)],
    env: { ...env, ...variables(options) },
  };
}

function isSet(options: ReadonlyMap<string, string>, name: string): boolean {
  return options.has(name) && options.get(name) !== 'false';
}

/**
 * Returns the environment variables that have the same effect as docker's options. As in docker, a context other than
 * `default` overrides DOCKER_HOST.
 */
function variables(options: ReadonlyMap<string, string>): PluginCall['env'] {
  const config = options.get('config');
  const context = options.get('context');
  const host = options.get('host');
  return {
    ...(config !== undefined && { DOCKER_CONFIG: config }),
    ...(context !== undefined && { DOCKER_CONTEXT: context }),
    ...(context !== undefined && context !== DEFAULT_CONTEXT && { DOCKER_HOST: undefined }),
    ...(host !== undefined && { DOCKER_HOST: host }),
    ...(isSet(options, 'tls') && { DOCKER_TLS: '1' }),
    ...(isSet(options, 'tlsverify') && { DOCKER_TLS_VERIFY: '1' }),
  };
}

/**
 * Parses one of docker's options as pflag does, and adds it to `options`.
 * @returns the number of words used, or 0 if the word is not one of docker's options
 */
function readOption(argv: readonly string[], at: number, options: Map<string, string>): number {
  const word = argv[at] ?? '';
  const [, long, text] = /^--([a-z-]+)(?:=(.*))?$/s.exec(word) ?? [];
  if (long === undefined) return /^-[A-Za-z]/.test(word) ? readShort(word.slice(1), argv[at + 1], options) : 0;
  const option = dockerOptions.find(({ name }) => name === long);
  if (option === undefined) return 0;
  const isNext = option.hasValue && text === undefined;
  options.set(option.name, isNext ? (argv[at + 1] ?? '') : (text ?? 'true'));
  return isNext ? 2 : 1;
}

/**
 * Parses short options, several of which may be in one word: `-D`, `-l debug`, `-ldebug`, `-l=debug`.
 * @returns the number of words used, or 0 if an option is unknown
 */
function readShort(letters: string, next: string | undefined, options: Map<string, string>): number {
  const option = dockerOptions.find(({ alias }) => alias === letters[0]);
  if (option === undefined) return 0;
  const rest = letters.slice(1);
  if (option.hasValue) {
    options.set(option.name, rest === '' ? (next ?? '') : rest.replace(/^=/, ''));
    return rest === '' ? 2 : 1;
  }
  options.set(option.name, rest.startsWith('=') ? rest.slice(1) : 'true');
  return rest === '' || rest.startsWith('=') ? 1 : readShort(rest, next, options);
}
