import { MlistError } from '../../errors/errors.ts';
import type { ParsedArguments } from './command-declaration.ts';
import { usageError } from './parse-arguments.ts';

/** The arguments, as typed, that name an archive on stdin (`source`) or on stdout (`target`). */
export interface Pipes {
  readonly source?: string | undefined;
  readonly target?: string | undefined;
}

/** Whether an argument names an archive on stdin or stdout. The argument for a source may end with `=PLATFORM`. */
const isPipe = (text: string): boolean => /^(?:oci|docker)-archive:-(?:[:@=]|$)/.test(text);

/** Options whose values are targets. */
const targetOptions = ['to', 'tag'];

/** Options that read stdin if their value is `-`. */
const inputOptions = ['file', 'docker-metadata'];

/** Options of `create` that read stdin if their value is `-`. For other commands, `--metadata-file` is an output. */
const createInputOptions = [...inputOptions, 'metadata-file'];

/**
 * Finds the archives that a command line reads from stdin or writes to stdout.
 * @throws MlistError `ERR_MLIST_USAGE` if several arguments read stdin or write archives to stdout, or stdin would be
 *   recorded in a draft
 */
export function pipesOf(args: ParsedArguments): Pipes {
  const { command, positionals } = args;
  // DST is always the last positional. Any option other than `targetOptions` may name a source.
  const positionalTargets = command.usage.endsWith(' DST') ? positionals.slice(-1) : [];
  const targets = [...positionalTargets, ...targetOptions.flatMap((name) => args.texts(name))].filter(isPipe);
  const sources = args
    .typed(targetOptions)
    .toSpliced(positionals.length - positionalTargets.length, positionalTargets.length)
    .filter(isPipe);
  const stdin = [...sources, ...inputsOf(args)];
  if (stdin.length > 1)
    throw usageError(command, `stdin can only be read once, but several arguments use it: ${stdin.join(' and ')}`);
  if (targets.length > 1)
    throw usageError(
      command,
      `stdout can only be written once, but several arguments use it: ${targets.join(' and ')}`,
    );
  const [source] = sources;
  if (source !== undefined) requirePush(source, args);
  return { source, target: targets[0] };
}

/** Returns the options, as typed, that read something other than an archive from stdin. */
function inputsOf(args: ParsedArguments): readonly string[] {
  const names = args.command.name === 'create' ? createInputOptions : inputOptions;
  const values = names.flatMap((name) => args.texts(name).flatMap((value) => (value === '-' ? [`--${name} -`] : [])));
  return [...values, ...(args.flag('password-stdin') ? ['--password-stdin'] : [])];
}

/**
 * Refuses an archive from stdin in a command that only writes a draft: when the draft is pushed later, stdin cannot be
 * read again.
 */
function requirePush(source: string, args: ParsedArguments): void {
  const canPush = args.command.options.some(({ name }) => name === 'push');
  if (!canPush || args.flag('push')) return;
  throw new MlistError(
    'ERR_MLIST_USAGE',
    `${source} needs --push: stdin cannot be read again when the draft is pushed`,
    {
      hint: 'Add --push, or store the archive in a file.',
    },
  );
}

/**
 * Refuses to read an archive from a terminal, or to write one to a terminal.
 * @throws MlistError `ERR_MLIST_USAGE` if stdin or stdout is used for an archive, but is a terminal
 */
export function refuseTerminals(
  { source, target }: Pipes,
  terminal: { readonly stdin: () => boolean; readonly stdout: boolean },
): void {
  if (source !== undefined && terminal.stdin()) {
    throw new MlistError('ERR_MLIST_USAGE', `cannot read ${source}: stdin is a terminal`, {
      hint: 'Pipe an archive to mlist, for example: docker save IMAGE | mlist copy docker-archive:- TARGET',
    });
  }
  if (target !== undefined && terminal.stdout) {
    throw new MlistError('ERR_MLIST_USAGE', `cannot write ${target}: stdout is a terminal`, {
      hint: `Write to a file, or pipe the archive to a program, for example: mlist copy SOURCE ${target} | docker load`,
    });
  }
}
