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
 * The settings of yargs-parser. The functions below make parsing strict: an unknown option, a repeated option that is
 * not repeatable, a missing value and a wrong number of arguments are usage errors. yargs itself is not used, because
 * loading it would double the time of a local command: docs/decisions/0003-command-line.md.
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

/**
 * Returns the index of the command name in the arguments, or -1 if it is missing. Options and their values may precede
 * the command name.
 */
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

/** Returns the error for the first unknown option on a command line without a command; undefined if all are known. */
export function unknownGlobalOption(argv: readonly string[]): MlistError | undefined {
  const known = spellingsOf(globalOptions);
  const names = argv.filter((argument) => argument.startsWith('-')).map((argument) => argument.replace(/=.*$/s, ''));
  const unknown = names.find((name) => !known.has(name));
  if (unknown === undefined) return undefined;
  return new MlistError('ERR_MLIST_USAGE', `unknown option ${unknown}`, { hint: 'See "mlist --help".' });
}

/** Returns the names of options as they are typed, such as `--quiet` and `-q`. */
function spellingsOf(options: readonly OptionDeclaration[]): ReadonlySet<string> {
  return new Set(options.flatMap(({ name, alias }) => [`--${name}`, ...(alias === undefined ? [] : [`-${alias}`])]));
}

/** Rewrites the parser's message about a missing value in the style of mlist. Returns undefined for other messages. */
function missingValue(message: string): string | undefined {
  const [, name] = /^Not enough arguments following: (.+)$/.exec(message) ?? [];
  return name === undefined ? undefined : `${name.length === 1 ? '-' : '--'}${name} needs a value`;
}

/**
 * Parses the arguments of a command.
 * @throws MlistError `ERR_MLIST_USAGE` if they do not match the declaration of the command
 */
export function parseCommand(command: CommandDeclaration, argv: readonly string[]): ParsedArguments {
  const options = optionsOf(command);
  checkFlagValues(command, options, argv);
  const { argv: parsed, error } = parseArguments.detailed(joinStdinValues(argv, options), {
    alias: Object.fromEntries(options.flatMap(({ name, alias }) => (alias === undefined ? [] : [[name, [alias]]]))),
    array: options.filter(({ repeat }) => repeat === true).map(({ name }) => name),
    boolean: options.filter(({ type }) => type === 'boolean').map(({ name }) => name),
    string: ['_', ...options.filter(({ type }) => type !== 'boolean').map(({ name }) => name)],
    narg: Object.fromEntries(options.filter(({ type }) => type !== 'boolean').map(({ name }) => [name, 1])),
    configuration,
  });
  if (error !== null) throw usageError(command, missingValue(error.message) ?? error.message);
  const {
    _: beforeDashes,
    '--': afterDashes = [],
    ...parsedOptions
  } = parsed as { readonly _: readonly string[]; readonly '--'?: readonly string[] };
  const values = new Map<string, OptionValue>();
  for (const [name, value] of Object.entries(parsedOptions))
    values.set(name, checkedValue(command, options, name, value));
  const positionals = [...beforeDashes, ...afterDashes].map(String);
  if (!values.has('help')) checkCount(command, positionals);
  return new ParsedArguments(command, positionals, values);
}

/** Refuses values such as `--json=yes`, which the parser would read as false. */
function checkFlagValues(
  command: CommandDeclaration,
  options: readonly OptionDeclaration[],
  argv: readonly string[],
): void {
  const flags = new Set(options.filter(({ type }) => type === 'boolean').map(({ name }) => `--${name}`));
  const end = argv.indexOf('--');
  for (const argument of end < 0 ? argv : argv.slice(0, end)) {
    const [, name = '', value = ''] = /^(--[^=]+)=(.*)$/s.exec(argument) ?? [];
    if (flags.has(name) && value !== 'true' && value !== 'false') throw usageError(command, `${name} takes no value`);
  }
}

/** Rewrites `--option -` as `--option=-`, because the parser would treat a lone dash as an option. */
function joinStdinValues(argv: readonly string[], options: readonly OptionDeclaration[]): string[] {
  const takesValue = spellingsOf(options.filter(({ type }) => type !== 'boolean'));
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
  const option = options.find((candidate) => candidate.name === name);
  if (option === undefined) throw unknownOption(command, options, name);
  const typed = `--${name}`;
  if (option.repeat === true) return ([] as unknown[]).concat(value).map(String);
  if (Array.isArray(value)) throw usageError(command, `${typed} is given more than once`);
  if (option.type === 'boolean') {
    if (typeof value === 'boolean') return value;
    throw usageError(command, `${typed} takes no value`);
  }
  const text = String(value);
  if (option.choices !== undefined && !option.choices.includes(text)) {
    throw usageError(command, `${typed} takes ${alternatives(option.choices)}, not ${JSON.stringify(text)}`);
  }
  if (option.type !== 'number') return text;
  if (!/^\d{1,6}$/.test(text)) {
    throw usageError(command, `${typed} takes a whole number from 0 to 999999, not ${JSON.stringify(text)}`);
  }
  return Number(text);
}

/** Joins alternatives for a message: `auto, oci or docker`. */
export function alternatives(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}`;
}

function unknownOption(command: CommandDeclaration, options: readonly OptionDeclaration[], name: string): MlistError {
  const dash = name.length === 1 ? '-' : '--';
  const hint = new Map(command.foreignOptions).get(name);
  if (hint !== undefined) return new MlistError('ERR_MLIST_USAGE', `unknown option ${dash}${name}`, { hint });
  const match = closestMatch(
    name,
    options.map((option) => option.name),
  );
  return usageError(command, `unknown option ${dash}${name}${match === undefined ? '' : `: did you mean --${match}?`}`);
}

function checkCount(command: CommandDeclaration, positionals: readonly string[]): void {
  const { min, max } = command.positionals;
  const count = positionals.length;
  if (count < min) throw missingArguments(command, requiredNames(command).slice(count, min));
  if (count <= max) return;
  const unexpected = positionals[max] ?? '';
  const message = `unexpected argument: ${quoted(unexpected)}`;
  // Users of other tools may pass files as arguments, so the hint shows `-f`.
  const needsOption = max === 0 && command.usage.startsWith('-f FILE') && isWord(unexpected);
  const hint = `Pass files with -f: "mlist ${command.name} -f ${unexpected}".`;
  throw needsOption ? new MlistError('ERR_MLIST_USAGE', message, { hint }) : argumentError(command, message);
}

/**
 * Returns the names of the required positionals, such as `SRC` and `DST` for `SRC DST`. Names in brackets are optional.
 */
function requiredNames({ usage }: CommandDeclaration): readonly string[] {
  return usage
    .split(' ')
    .map((word) => word.replace(/\[.*|\.\.\.$/, ''))
    .filter((word) => word !== '');
}

export function missingArguments(command: CommandDeclaration, names: readonly string[]): MlistError {
  return argumentError(command, `missing ${names.length === 1 ? 'argument' : 'arguments'}: ${names.join(', ')}`);
}

/** Whether a hint can show the text as it is: a shell reads it as one word, and it contains no password. */
function isWord(text: string): boolean {
  return /^[\w./:@=,+-]+$/.test(text) && withoutPassword(text) === text;
}

function quoted(argument: string): string {
  return JSON.stringify(withoutPassword(argument));
}

/** Returns an error about positionals, with the usage of the command in the hint. */
function argumentError(command: CommandDeclaration, message: string): MlistError {
  const usage = `mlist ${command.name} ${command.usage}`.trim();
  return new MlistError('ERR_MLIST_USAGE', message, {
    hint: `The usage is "${usage}". See "mlist ${command.name} --help".`,
  });
}

/** Returns a usage error whose hint refers to the help of the command. */
export function usageError(command: CommandDeclaration, message: string): MlistError {
  return new MlistError('ERR_MLIST_USAGE', message, { hint: `See "mlist ${command.name} --help".` });
}
