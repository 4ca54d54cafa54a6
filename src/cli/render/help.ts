import yargs from 'yargs';
import type { CommandDeclaration, OptionDeclaration } from '../args/command-declaration.ts';
import { globalOptions, optionsOf } from '../args/global-options.ts';

type Yargs = ReturnType<typeof yargs>;

/** Renders the help of one command, or the overview of all, with yargs. Only this file loads yargs. */
export async function helpText(
  commands: readonly CommandDeclaration[],
  command: CommandDeclaration | undefined,
  width: number,
): Promise<string> {
  const base = quiet(yargs([])).wrap(Math.min(Math.max(width, 60), 120));
  if (command === undefined) return overview(base, commands).getHelp();
  return `${(await details(base, command).getHelp()).trimEnd()}\n${examples(command)}`;
}

function quiet(instance: Yargs): Yargs {
  return instance.scriptName('mlist').detectLocale(false).version(false).help(false).exitProcess(false);
}

function overview(instance: Yargs, commands: readonly CommandDeclaration[]): Yargs {
  instance.usage('Usage: mlist COMMAND\n\nDraft, annotate, validate and push multi-platform image lists.');
  for (const { name, summary, hidden } of commands) if (hidden !== true) instance.command(name, summary);
  return withOptions(instance, globalOptions, GLOBAL).epilogue(
    'Run "mlist COMMAND --help" for more information on a command.',
  );
}

const GLOBAL = 'Global options:';

function details(instance: Yargs, command: CommandDeclaration): Yargs {
  instance.usage(`Usage: mlist ${command.name} ${command.usage}\n\n${command.summary}.`);
  const isGlobal = (option: OptionDeclaration) => globalOptions.includes(option);
  const own = optionsOf(command).filter((option) => !isGlobal(option));
  return withOptions(withOptions(instance, own, 'Options:'), globalOptions, GLOBAL);
}

/** Examples are added without yargs, which would wrap them: they must stay on one line to be copied. */
function examples({ examples: all }: CommandDeclaration): string {
  if (all.length === 0) return '';
  return `\nExamples:\n${all.map(([line, what]) => `  # ${what}\n  ${line}\n`).join('')}`;
}

/** The value's name is part of the key, because yargs prints a key unchanged and has no names for values. */
function withOptions(instance: Yargs, options: readonly OptionDeclaration[], group: string): Yargs {
  for (const { name, alias, value, repeat, describe } of options) {
    instance.option(value === undefined ? name : `${name} ${value}`, {
      describe: repeat === true ? `${describe} (repeatable)` : describe,
      group,
      ...(alias === undefined ? {} : { alias }),
    });
  }
  return instance;
}
