import parseArguments from 'yargs-parser';
import { MlistError } from '../../errors/errors.ts';
import { closestMatch } from '../../text/closest-match.ts';
import { withoutPassword } from '../../oci/reference.ts';
import {
  ParsedArguments,
  type CommandDeclaration,
  type OptionDeclaration,
  type OptionValue,
} from './command-declaration.ts';
import { globalOptions, optionsOf } from './global-options.ts';

/**
 * Reads a command line strictly: an unknown option, a repeated single one, a missing value or a wrong number of
 * arguments is a usage error. yargs's own parser is used by itself, since all of yargs takes half the time of a local
 * command: docs/decisions/0003-command-line.md.
 */
const configuration = {
  'boolean-negation': false,
  'camel-case-expansion': false,
  'dot-notation': false,
  'duplicate-arguments-array': true,
  'flatten-duplicate-arrays': true,
  'greedy-arrays': false,
  'parse-numbers': false,
  'parse-positional-numbers': false,
  'populate--': true,
  'strip-aliased': true,
};

/** Where the name of the command stands among the arguments: options may come before it. */
export function commandPosition(argv: readonly string[]): number {
  const valued = globalOptions.filter((option) => option.type !== 'boolean');
  const takesValue = new Set([...valued.map((option) => `--${option.name}`), '--list', '-l']);
  for (let at = 0; at < argv.length; at += 1) {
    const argument = argv[at] ?? '';
    if (takesValue.has(argument)) at += 1;
    else if (!argument.startsWith('-')) return at;
  }
  return -1;
}

/** What the parser says of an option whose value is missing, in the words of the other messages. */
function withoutValue(message: string): string | undefined {
  const [, name] = /^Not enough arguments following: (.+)$/.exec(message) ?? [];
  return name === undefined ? undefined : `${name.length === 1 ? '-' : '--'}${name} needs a value`;
}

/** @throws MlistError `ERR_MLIST_USAGE` */
export function parseCommand(command: CommandDeclaration, argv: readonly string[]): ParsedArguments {
  const options = optionsOf(command);
  const { argv: parsed, error } = parseArguments.detailed(withStdin(argv, options), {
    alias: Object.fromEntries(options.flatMap(({ name, alias }) => (alias === undefined ? [] : [[name, [alias]]]))),
    array: options.filter(({ repeat }) => repeat === true).map(({ name }) => name),
    boolean: options.filter(({ type }) => type === 'boolean').map(({ name }) => name),
    string: ['_', ...options.filter(({ type }) => type !== 'boolean').map(({ name }) => name)],
    narg: Object.fromEntries(options.filter(({ type }) => type !== 'boolean').map(({ name }) => [name, 1])),
    configuration,
  });
  if (error !== null) throw usageError(command, withoutValue(error.message) ?? error.message);
  const {
    _: plain,
    '--': literal = [],
    ...given
  } = parsed as { readonly _: readonly string[]; readonly '--'?: readonly string[] };
  const values = new Map<string, OptionValue>();
  for (const [name, value] of Object.entries(given)) values.set(name, checkedValue(command, options, name, value));
  const positionals = [...plain, ...literal].map(String);
  if (!values.has('help')) checkCount(command, positionals);
  return new ParsedArguments(command, positionals, values);
}

/** A lone dash as the value of an option is stdin, and no option that is missing its name. */
function withStdin(argv: readonly string[], options: readonly OptionDeclaration[]): string[] {
  const valued = options.filter(({ type }) => type !== 'boolean');
  const takesValue = new Set(
    valued.flatMap(({ name, alias }) => [`--${name}`, ...(alias === undefined ? [] : [`-${alias}`])]),
  );
  return argv.flatMap((argument, at) => {
    if (argument === '-' && takesValue.has(argv[at - 1] ?? '')) return [];
    return argv[at + 1] === '-' && takesValue.has(argument) ? [`${argument}=-`] : [argument];
  });
}

function checkedValue(
  command: CommandDeclaration,
  options: readonly OptionDeclaration[],
  name: string,
  value: unknown,
): OptionValue {
  const option = options.find((one) => one.name === name);
  if (option === undefined) throw unknownOption(command, options, name);
  const shown = `--${name}`;
  if (option.repeat === true) return ([] as unknown[]).concat(value).map(String);
  if (Array.isArray(value)) throw usageError(command, `${shown} is given more than once`);
  if (option.type === 'boolean') {
    if (typeof value === 'boolean') return value;
    throw usageError(command, `${shown} takes no value`);
  }
  const text = String(value);
  if (option.choices !== undefined && !option.choices.includes(text)) {
    throw usageError(command, `${shown} takes ${option.choices.join(', ')}, not ${JSON.stringify(text)}`);
  }
  if (option.type !== 'number') return text;
  if (!/^\d{1,6}$/.test(text)) throw usageError(command, `${shown} takes a whole number, not ${JSON.stringify(text)}`);
  return Number(text);
}

function unknownOption(command: CommandDeclaration, options: readonly OptionDeclaration[], name: string): MlistError {
  const dash = name.length === 1 ? '-' : '--';
  const hint = new Map(command.foreignOptions).get(name);
  if (hint !== undefined) return new MlistError('ERR_MLIST_USAGE', `unknown option ${dash}${name}`, { hint });
  const like = closestMatch(
    name,
    options.map((option) => option.name),
  );
  return usageError(command, `unknown option ${dash}${name}${like === undefined ? '' : `: did you mean --${like}?`}`);
}

function checkCount(command: CommandDeclaration, positionals: readonly string[]): void {
  const { min, max } = command.positionals;
  const count = positionals.length;
  if (count < min)
    throw usageError(
      command,
      `${command.name} takes ${command.usage}: ${count === 0 ? 'nothing was given' : 'something is missing'}`,
    );
  if (count > max)
    throw usageError(
      command,
      `${command.name} takes ${command.usage === '' ? 'no arguments' : command.usage}: ${JSON.stringify(withoutPassword(positionals[max] ?? ''))} is too much`,
    );
}

export function usageError(command: CommandDeclaration, message: string): MlistError {
  return new MlistError('ERR_MLIST_USAGE', message, { hint: `See "mlist ${command.name} --help".` });
}
