import { MlistError } from '../../errors/errors.ts';
import type { ParsedArguments } from './command-declaration.ts';
import { usageError } from './parse-arguments.ts';

/** Archives that a command line reads from stdin or writes to stdout, as typed. */
export interface Pipes {
  readonly source?: string | undefined;
  readonly target?: string | undefined;
}

const pipe = /^(?:oci|docker)-archive:-(?:[:@=]|$)/;

/** Options whose values are targets. */
const targetOptions = ['to', 'tag'];

/** Options whose value `-` is stdin. */
const inputOptions = ['file', 'docker-metadata'];

/**
 * The archives in pipes.
 * @throws MlistError `ERR_MLIST_USAGE` if stdin or stdout would be used twice, or stdin would be recorded in a draft
 */
export function pipesOf(args: ParsedArguments): Pipes {
  const { command, positionals } = args;
  if (!args.typed([]).some((text) => pipe.test(text))) return {};
  // Only copy has a target among its positionals. The values of all options other than those of targets may be sources.
  const sourceCount = command.name === 'copy' ? 1 : positionals.length;
  const optionSources = args.typed(targetOptions).slice(positionals.length);
  const sources = [...positionals.slice(0, sourceCount), ...optionSources].filter((text) => pipe.test(text));
  const optionTargets = targetOptions.flatMap((name) => valuesOf(name, args));
  const targets = [...positionals.slice(sourceCount), ...optionTargets].filter((text) => pipe.test(text));
  const stdin = [...sources, ...inputsOf(args)];
  if (stdin.length > 1) throw usageError(command, `stdin can only be read once: ${stdin.join(' and ')} both name it`);
  if (targets.length > 1)
    throw usageError(command, `stdout can only be written once: ${targets.join(' and ')} both name it`);
  const [source] = sources;
  if (source !== undefined) requirePush(source, args);
  return { source, target: targets[0] };
}

/** The arguments that are read from stdin, apart from archives. */
function inputsOf(args: ParsedArguments): readonly string[] {
  const values = inputOptions.flatMap((name) =>
    valuesOf(name, args).flatMap((value) => (value === '-' ? [`--${name} -`] : [])),
  );
  return [...values, ...(args.flag('password-stdin') ? ['--password-stdin'] : [])];
}

/** The values of an option, which may be declared as a text or as a list of texts. */
function valuesOf(name: string, args: ParsedArguments): readonly string[] {
  return [args.text(name) ?? [], args.texts(name)].flat();
}

/** A draft is pushed later, when stdin is gone. */
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
