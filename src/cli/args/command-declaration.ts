import type { Context } from '../context.ts';

/** Commands and options as data. Parsing, help, completion and docs/cli.md are derived from them. */

export interface OptionDeclaration {
  readonly name: string;
  readonly alias?: string;
  readonly type: 'string' | 'boolean' | 'number';
  /** Whether the option may be given several times. */
  readonly repeat?: boolean;
  readonly choices?: readonly string[];
  /** The name of the value in help, such as `PLATFORM`. */
  readonly value?: string;
  readonly describe: string;
}

export interface CommandDeclaration {
  readonly name: string;
  /** Positional arguments as shown in help, such as `LIST [MANIFEST...]`. */
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
  /** Whether the command also runs if the workspace belongs to another user. Default false. */
  readonly worksWithoutWorkspace?: boolean;
  /** Loads the handler when the command is called. */
  readonly load: () => Promise<CommandModule>;
}

export interface Positionals {
  readonly min: number;
  readonly max: number;
  /**
   * The kinds of each argument, for completion. If the number of arguments is not limited, the last item also applies
   * to all further ones. Default: nothing can be completed.
   */
  readonly kinds?: readonly (readonly ArgumentKind[])[];
}

/**
 * `entry`: an entry of the draft. `image`: an image or a list outside drafts. `image=platform`: an `image`, optionally
 * with `=PLATFORM`.
 */
export type ArgumentKind = 'draft' | 'entry' | 'image' | 'image=platform' | 'file' | 'shell';

export interface CommandModule {
  readonly run: (args: ParsedArguments, context: Context) => Promise<number>;
}

/** Returns the usage lines of a command, such as `mlist copy SRC DST`: one for each of its alternative forms. */
export function usagesOf({ name, usage }: CommandDeclaration): readonly string[] {
  return usage.split('  or  ').map((positionals) => `mlist ${name} ${positionals}`.trim());
}

/** A parsed command line. */
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

  /** The values of an option, which may be repeatable or not; empty if the option is not given. */
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

  /** The positionals and the text values of all options, except for the options in `except`. */
  typed(except: readonly string[]): readonly string[] {
    const values = [...this.#values].filter(([name]) => !except.includes(name)).flatMap(([, value]) => value);
    return [...this.positionals, ...values.filter((value) => typeof value === 'string')];
  }
}

export type OptionValue = string | number | boolean | readonly string[];
