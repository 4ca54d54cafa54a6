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
  /** Options that other tools have and this command does not, each with a hint for the error message. */
  readonly foreignOptions?: readonly (readonly [option: string, hint: string])[];
  readonly examples: readonly (readonly [command: string, description: string])[];
  /** A command that uses drafts has `--list`. A command that uses registries has a deadline. */
  readonly uses: readonly ('draft' | 'registry')[];
  /** Whether the overview omits the command, because only programs call it. */
  readonly hidden?: boolean;
  /** Whether the command also runs if the workspace belongs to another user. Default false. */
  readonly worksWithoutWorkspace?: boolean;
  /** Loads the handler, when the command is called. */
  readonly load: () => Promise<CommandModule>;
}

export interface Positionals {
  readonly min: number;
  readonly max: number;
  /**
   * What each argument may be, for completion. The last one also describes all further arguments, if their number is not limited.
   * Default: nothing can be completed.
   */
  readonly kinds?: readonly (readonly ArgumentKind[])[];
}

/** `entry`: an entry of the draft. `image`: an image or a list outside drafts; `image=platform`: the same with `=PLATFORM`. */
export type ArgumentKind = 'draft' | 'entry' | 'image' | 'image=platform' | 'file' | 'shell';

export interface CommandModule {
  readonly run: (args: ParsedArguments, context: Context) => Promise<number>;
}

/** The command lines of a command, such as `mlist copy SRC DST`. A command with alternatives has several. */
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

  /** The texts of an option, which may be repeatable or not; empty if it is not given. */
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

  /** The positionals and the text values of all options, without those of the given options. */
  typed(except: readonly string[]): readonly string[] {
    const values = [...this.#values].filter(([name]) => !except.includes(name)).flatMap(([, value]) => value);
    return [...this.positionals, ...values.filter((value) => typeof value === 'string')];
  }
}

export type OptionValue = string | number | boolean | readonly string[];
