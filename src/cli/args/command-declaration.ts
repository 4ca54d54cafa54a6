import type { Context } from '../context.ts';

/** What the command line understands, as data: parsing, help, completion and docs/cli.md are made from it. */

export interface OptionDeclaration {
  readonly name: string;
  readonly alias?: string;
  readonly type: 'string' | 'boolean' | 'number';
  /** May be given several times. */
  readonly repeat?: boolean;
  readonly choices?: readonly string[];
  /** What its value is called in help, such as `PLATFORM`. */
  readonly value?: string;
  readonly describe: string;
}

export interface CommandDeclaration {
  readonly name: string;
  /** Positionals as shown in help, such as `LIST [MANIFEST...]`. */
  readonly usage: string;
  readonly positionals: { readonly min: number; readonly max: number };
  readonly summary: string;
  readonly options: readonly OptionDeclaration[];
  /** Options of other tools that this command does not have, each with what to do instead. */
  readonly foreignOptions?: readonly (readonly [option: string, hint: string])[];
  readonly examples: readonly (readonly [command: string, what: string])[];
  /** What it works on: a command that works on a draft takes `--list`, one that talks to registries has a deadline. */
  readonly uses: readonly ('draft' | 'registry')[];
  /** Called by a program rather than by people: left out of the overview. */
  readonly hidden?: boolean;
  /** Loaded when the command is called, and not before. */
  readonly load: () => Promise<CommandModule>;
}

export interface CommandModule {
  readonly run: (invocation: ParsedArguments, context: Context) => Promise<number>;
}

/** A command line that was understood. */
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

  texts(name: string): readonly string[] {
    const value = this.#values.get(name);
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

  /** What was typed: the arguments, and the values of all options but these. */
  typed(except: readonly string[]): readonly string[] {
    const values = [...this.#values].filter(([name]) => !except.includes(name)).flatMap(([, value]) => value);
    return [...this.positionals, ...values.filter((value) => typeof value === 'string')];
  }
}

export type OptionValue = string | number | boolean | readonly string[];
