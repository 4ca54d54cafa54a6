import type { CommandSpec } from './language.ts';
import { everywhere, optionsOf } from './options.ts';

/**
 * What may stand where the last of these words stands.
 * @param words - the command line up to the cursor, without the program; the last one is being typed
 */
export function completions(commands: readonly CommandSpec[], words: readonly string[]): readonly string[] {
  const typing = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const command = commands.find(({ name }) => before.includes(name));
  const options = command === undefined ? everywhere : optionsOf(command);
  const pending = options.find(
    ({ name, alias, type }) => type !== 'boolean' && [`--${name}`, `-${alias ?? ''}`].includes(before.at(-1) ?? ''),
  );
  const candidates =
    pending !== undefined
      ? (pending.choices ?? [])
      : typing.startsWith('-')
        ? options.map(({ name }) => `--${name}`)
        : command === undefined
          ? commands.map(({ name }) => name)
          : [];
  return candidates.filter((candidate) => candidate.startsWith(typing));
}
