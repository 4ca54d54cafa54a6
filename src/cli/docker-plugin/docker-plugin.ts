/**
 * As `docker-mlist` in docker's folder of plugins. docker calls `docker-mlist [GLOBAL OPTIONS] mlist ARGUMENTS`, with its
 * own options as they were typed before `mlist`; `docker-mlist help mlist [COMMAND]`; and, to complete a line,
 * `docker-mlist __complete mlist WORDS` (docker CLI 28.2, cli-plugins/manager and spf13/cobra's completion protocol).
 */
export interface PluginCall {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

interface DockerOption {
  readonly name: string;
  readonly alias?: string;
  readonly hasValue: boolean;
}

/** docker's global options. Those that choose and reach an engine mean nothing here: there is none. */
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

/** The command line without what docker put before it; every other command line as it is. */
export function parsePluginCall(argv: readonly string[], env: PluginCall['env']): PluginCall {
  if (argv[0] === 'help' && argv[1] === NAME) return { args: ['help', ...argv.slice(2)], env };
  if (/^__complete(?:NoDesc)?$/.test(argv[0] ?? '') && argv[1] === NAME)
    return { args: [argv[0] ?? '', ...argv.slice(2)], env };
  const given = new Map<string, string>();
  let at = 0;
  while (at < argv.length && argv[at] !== NAME) {
    const used = readOption(argv, at, given);
    if (used === 0) return { args: argv, env };
    at += used;
  }
  if (at === argv.length) return { args: argv, env };
  const config = given.get('config');
  const isDebug = given.has('debug') && given.get('debug') !== 'false';
  return {
    args: [...argv.slice(at + 1, at + 2), ...(isDebug ? ['--debug'] : []), ...argv.slice(at + 2)],
    env: config === undefined ? env : { ...env, DOCKER_CONFIG: config },
  };
}

/** Reads one argument as pflag does; how many words it took, and none where it is no option of docker's. */
function readOption(argv: readonly string[], at: number, given: Map<string, string>): number {
  const word = argv[at] ?? '';
  const [, long, text] = /^--([a-z-]+)(?:=(.*))?$/s.exec(word) ?? [];
  if (long === undefined) return /^-[A-Za-z]/.test(word) ? readShort(word.slice(1), argv[at + 1], given) : 0;
  const option = dockerOptions.find(({ name }) => name === long);
  if (option === undefined) return 0;
  const isNext = option.hasValue && text === undefined;
  given.set(option.name, isNext ? (argv[at + 1] ?? '') : (text ?? 'true'));
  return isNext ? 2 : 1;
}

/** `-D`, `-l debug`, `-ldebug`, `-l=debug`, and several in one word. */
function readShort(letters: string, next: string | undefined, given: Map<string, string>): number {
  const option = dockerOptions.find(({ alias }) => alias === letters[0]);
  if (option === undefined) return 0;
  const rest = letters.slice(1);
  if (option.hasValue) {
    given.set(option.name, rest === '' ? (next ?? '') : rest.replace(/^=/, ''));
    return rest === '' ? 2 : 1;
  }
  given.set(option.name, rest.startsWith('=') ? rest.slice(1) : 'true');
  return rest === '' || rest.startsWith('=') ? 1 : readShort(rest, next, given);
}
