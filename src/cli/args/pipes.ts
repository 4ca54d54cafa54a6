import { MlistError } from '../../errors/errors.ts';
import type { ParsedArguments } from './command-declaration.ts';
import { usageError } from './parse-arguments.ts';

/** Archives that a command line reads from stdin or writes to stdout, as typed. */
export interface Pipes {
  readonly source?: string | undefined;
  readonly target?: string | undefined;
}

/** Whether an argument is an archive in a pipe. Sources may end with `=PLATFORM`. */
const isPipe = (text: string): boolean => /^(?:oci|docker)-archive:-(?:[:@=]|$)/.test(text);

/** Options whose values are targets. */
const targetOptions = ['to', 'tag'];

/** Options whose value `-` is stdin. */
const inputOptions = ['file', 'docker-metadata'];

/**
 * Finds the archives that a command line reads from stdin or writes to stdout.
 * @throws MlistError `ERR_MLIST_USAGE` if stdin or stdout would be used twice, or stdin would be recorded in a draft
 */
export function pipesOf(args: ParsedArguments): Pipes {
  const { command, positionals } = args;
  // DST is always the last positional. Options that do not name targets may name sources.
  const positionalTargets = command.usage.endsWith(' DST') ? positionals.slice(-1) : [];
  const targets = [...positionalTargets, ...targetOptions.flatMap((name) => args.texts(name))].filter(isPipe);
  const sources = args
    .typed(targetOptions)
    .toSpliced(positionals.length - positionalTargets.length, positionalTargets.length)
    .filter(isPipe);
  if (sources.length + targets.length === 0) return {};
  const stdin = [...sources, ...inputsOf(args)];
  if (stdin.length > 1) throw usageError(command, `stdin can only be read once: ${stdin.join(' and ')} both name it`);
  if (targets.length > 1)
    throw usageError(command, `stdout can only be written once: ${targets.join(' and ')} both name it`);
  const [source] = sources;
  if (source !== undefined) requirePush(source, args);
  return { source, target: targets[0] };
}

/** The options and arguments that read stdin for something other than an archive. */
function inputsOf(args: ParsedArguments): readonly string[] {
  const values = inputOptions.flatMap((name) =>
    args.texts(name).flatMap((value) => (value === '-' ? [`--${name} -`] : [])),
  );
  return [...values, ...(args.flag('password-stdin') ? ['--password-stdin'] : [])];
}

/** Refuses an archive from stdin without `--push`: a draft is pushed later, when stdin cannot be read any more. */
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

/** @throws MlistError `ERR_MLIST_USAGE` if an archive would be read from a terminal, or written to one */
export function refuseTerminals(
  { source, target }: Pipes,
  terminal: { readonly stdin: () => boolean; readonly stdout: boolean },
): void {
  if (source !== undefined && terminal.stdin()) {
    throw new MlistError('ERR_MLIST_USAGE', `cannot read ${source}: stdin is a terminal`, {
      hint: `Pipe an archive to mlist: docker save IMAGE | mlist copy ${source} TARGET`,
    });
  }
  if (target !== undefined && terminal.stdout) {
    throw new MlistError('ERR_MLIST_USAGE', `cannot write ${target}: stdout is a terminal`, {
      hint: `Pipe the archive to a program: mlist copy SOURCE ${target} | docker load. Or write it to a file.`,
    });
  }
}
