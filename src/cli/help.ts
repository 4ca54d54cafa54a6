import yargs from 'yargs';
import type { CommandSpec, OptionSpec } from './language.ts';
import { everywhere, optionsOf } from './options.ts';

/** Help, by yargs: loaded only when somebody asks for them. */
type Yargs = ReturnType<typeof yargs>;

/** Help for one command, or the overview of all. */
export async function helpText(
  commands: readonly CommandSpec[],
  command: CommandSpec | undefined,
  width: number,
): Promise<string> {
  const base = quiet(yargs([])).wrap(Math.min(Math.max(width, 60), 120));
  return (command === undefined ? overview(base, commands) : details(base, command)).getHelp();
}

function quiet(instance: Yargs): Yargs {
  return instance.scriptName('mlist').detectLocale(false).version(false).help(false).exitProcess(false);
}

function overview(instance: Yargs, commands: readonly CommandSpec[]): Yargs {
  instance.usage('Usage: mlist COMMAND\n\nDraft, annotate, validate and push multi-platform image lists.');
  for (const { name, usage, summary } of commands) instance.command(`${name} ${positionalsFor(usage)}`.trim(), summary);
  return withOptions(instance, everywhere).epilogue('"mlist COMMAND --help" tells more of a command.');
}

function details(instance: Yargs, command: CommandSpec): Yargs {
  instance.usage(`Usage: mlist ${command.name} ${command.usage}\n\n${command.summary}`);
  for (const [line, what] of command.examples) instance.example(line, what);
  return withOptions(instance, optionsOf(command));
}

/** yargs reads positionals in its own notation; in an overview it is enough to show them. */
function positionalsFor(usage: string): string {
  return usage === '' ? '' : '[arguments...]';
}

function withOptions(instance: Yargs, options: readonly OptionSpec[]): Yargs {
  for (const { name, alias, type, repeat, describe } of options) {
    instance.option(name, {
      type,
      describe,
      ...(alias === undefined ? {} : { alias }),
      ...(repeat === true ? { array: true } : {}),
    });
  }
  return instance;
}
