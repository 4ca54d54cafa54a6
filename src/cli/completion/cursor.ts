import type { ArgumentKind, CommandDeclaration, OptionDeclaration } from '../args/command-declaration.ts';
import { globalOptions, optionsOf } from '../args/global-options.ts';

/** A word that completes the command line at the cursor. */
export interface Candidate {
  readonly word: string;
  readonly description?: string | undefined;
}

/** The command line up to the cursor. */
export interface Cursor {
  /** The words before the incomplete one, without the program. */
  readonly words: readonly string[];
  /** The incomplete word. */
  readonly typing: string;
  readonly command: CommandDeclaration | undefined;
  readonly options: readonly OptionDeclaration[];
  /** The option whose value is the incomplete word. */
  readonly pending: OptionDeclaration | undefined;
  /** The arguments before the incomplete word. */
  readonly positionals: readonly string[];
  /**
   * The values of the options before the incomplete word, keyed by option name. If an option is repeated, its last
   * value is used.
   */
  readonly values: ReadonlyMap<string, string>;
}

/**
 * Parses the command line up to the cursor.
 * @param line - the words without the program; the last word is incomplete
 */
export function cursorOf(commands: readonly CommandDeclaration[], line: readonly string[]): Cursor {
  const words = line.slice(0, -1);
  const positionals: string[] = [];
  const values = new Map<string, string>();
  let command: CommandDeclaration | undefined;
  let isHelp = false;
  let pending: OptionDeclaration | undefined;
  for (const word of words) {
    const [, name, value] = /^--([^=]+)=(.*)$/s.exec(word) ?? [];
    if (pending !== undefined) {
      values.set(pending.name, word);
      pending = undefined;
    } else if (name !== undefined) values.set(name, value ?? '');
    else if (word.startsWith('-')) pending = valuedOption(word, command);
    else if (command === undefined && !isHelp) {
      command = commands.find((candidate) => candidate.name === word);
      isHelp = word === 'help';
    } else positionals.push(word);
  }
  const options = optionsFor(command);
  return { words, typing: line.at(-1) ?? '', command, options, pending, positionals, values };
}

function optionsFor(command: CommandDeclaration | undefined): readonly OptionDeclaration[] {
  return command === undefined ? globalOptions : optionsOf(command);
}

/** Returns the option that a word names, if the next word is its value. */
function valuedOption(word: string, command: CommandDeclaration | undefined): OptionDeclaration | undefined {
  return optionsFor(command).find(
    ({ name, alias, type }) => type !== 'boolean' && (word === `--${name}` || word === `-${alias ?? ''}`),
  );
}

/** Returns the possible kinds of the incomplete word. With `--list`, the first argument is not LIST. */
export function argumentKinds({ command, positionals, values }: Cursor): readonly ArgumentKind[] {
  const { kinds = [], max } = command?.positionals ?? { max: 0 };
  const position = positionals.length + (values.has('list') ? 1 : 0);
  return kinds[position] ?? (max === Number.POSITIVE_INFINITY ? kinds.at(-1) : undefined) ?? [];
}

/** Whether the first argument may be a manifest instead of the list, as in `[LIST] MANIFEST...`. */
export function mayOmitList({ command }: Cursor): boolean {
  const { kinds: [first = []] = [], max } = command?.positionals ?? { max: 0 };
  return max === Number.POSITIVE_INFINITY && first.includes('draft') && first.length > 1;
}
