import type { Context } from '../context.ts';

/**
 * This file defines how commands and options are declared. Parsing, help, completion and docs/cli.md are derived from
 * the declarations.
 */

export interface OptionDeclaration {
  readonly name: string;
  readonly alias?: string;
  readonly type: 'string' | 'boolean' | 'number';
  /** Whether the option may be given several times. */
  readonly repeat?: boolean;
  readonly choices?: readonly string[];
  /** The placeholder for the value in help, such as `PLATFORM`. */
  readonly value?: string;
  readonly describe: string;
}

export interface CommandDeclaration {
  readonly name: string;
  /** The end of the usage line in help, such as `LIST [MANIFEST...]`. Two forms are separated by `  or  `. */
  readonly usage: string;
  readonly positionals: Positionals;
  readonly summary: string;
  readonly options: readonly OptionDeclaration[];
  /** Options of other tools that this command does not have, each with a hint for the error message. */
  readonly foreignOptions?: readonly (readonly [option: string, hint: string])[];
  readonly examples: readonly (readonly [command: string, description: string])[];
  /** `draft`: the command has the option `--list`. `registry`: the command has a deadline. */
  readonly uses: readonly ('draft' | 'registry')[];
  /** Whether the overview omits the command, because only programs call it. */
  readonly hidden?: boolean;
  /** Whether the command also runs if the workspace is refused, for example because of its owner. Default false. */
  readonly worksWithoutWorkspace?: boolean;
  /** Loads the handler when the command is called. */
  readonly load: () => Promise<CommandModule>;
}

export interface Positionals {
  readonly min: number;
  readonly max: number;
  /**
   * The possible kinds of each argument, for completion. If the number of arguments is not limited, the last item also
   * applies to all further arguments. Default: nothing is completed.
   */
  readonly kinds?: readonly (readonly ArgumentKind[])[];
}

/**
 * `entry`: an entry of the draft. `image`: the reference or location of an image or a list. `image=platform`: an
 * `image`, optionally followed by `=PLATFORM`.
 */
export type ArgumentKind = 'draft' | 'entry' | 'image' | 'image=platform' | 'file' | 'shell';

export interface CommandModule {
  readonly run: (args: ParsedArguments, context: Context) => Promise<number>;
}

/** Returns one usage line, such as `mlist copy SRC DST`, for each form of a command. */
export function usagesOf({ name, usage }: CommandDeclaration): readonly string[] {
  return usage.split('  or  ').map((positionals) => `mlist ${name} ${positionals}`.trim());
}

/** The arguments and options of a command line, checked against the declaration of the command. */
export class ParsedArguments {
  readonly command: CommandDeclaration;
  readonly positionals: readonly string[];
  readonly #values: ReadonlyMap<string, OptionValue>;

  constructor(command: CommandDeclaration, positionals: readonly string[], values: ReadonlyMap<string, OptionValue>) {
    this.command = command;
    this.positionals = positionals;
    this.#values = values;
  }

  text(name: string): string | undefined {
    const value = this.#values.get(name);
    return typeof value === 'string' ? value : undefined;
  }

  /** Returns the values of a string option, whether or not it is repeatable. Empty if the option is not given. */
  texts(name: string): readonly string[] {
    const value = this.#values.get(name);
    if (typeof value === 'string') return [value];
    return Array.isArray(value) ? (value as readonly string[]) : [];
  }

  flag(name: string): boolean {
    return this.#values.get(name) === true;
  }

  number(name: string): number | undefined {
    const value = this.#values.get(name);
    return typeof value === 'number' ? value : undefined;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** Returns the positionals, and the string values of all options that are not in `except`. */
  typed(except: readonly string[]): readonly string[] {
    const values = [...this.#values].filter(([name]) => !except.includes(name)).flatMap(([, value]) => value);
    return [...this.positionals, ...values.filter((value) => typeof value === 'string')];
  }
}

export type OptionValue = string | number | boolean | readonly string[];
