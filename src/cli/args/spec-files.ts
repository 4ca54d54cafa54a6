import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { asMlistError, MlistError } from '../../errors/errors.ts';
import { inputFailure } from '../../fs/file-errors.ts';
import { readAtMost } from '../../fs/read-file.ts';
import type { SpecFile } from '../../operations/spec/read-spec.ts';
import type { SpecParsing } from '../../operations/spec/parse-spec.ts';
import { type GivenValue, isValueName, PlaceholderValues } from '../../schema/placeholder-values.ts';
import { MAX_YAML_BYTES } from '../../schema/yaml.ts';
import type { Context } from '../context.ts';
import type { ParsedArguments } from './command-declaration.ts';
import { usageError } from './parse-arguments.ts';
import { readPlatform } from './platform-arguments.ts';
import { locationInFile } from './typed-arguments.ts';

/** This file reads the options of commands that take specs: `--file`, `--set` and `--env`. */

export interface SpecFiles {
  readonly files: readonly SpecFile[];
  /** One error for each file that cannot be read. */
  readonly unreadable: readonly MlistError[];
}

/**
 * Reads the files of `--file`.
 * @throws MlistError `ERR_MLIST_USAGE` if no file is given, or a file is given twice
 */
export async function readSpecFiles(args: ParsedArguments, context: Context): Promise<SpecFiles> {
  const names = args.texts('file');
  if (names.length === 0) throw usageError(args.command, 'missing option: --file');
  if (new Set(names).size < names.length) throw usageError(args.command, '--file is given twice for the same file');
  const read = await Promise.allSettled(names.map((name) => readSpecFile(name, context)));
  return {
    files: read.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])),
    unreadable: read.flatMap((result) => (result.status === 'rejected' ? [asMlistError(result.reason)] : [])),
  };
}

/**
 * Returns the options for parsing specs.
 * @throws MlistError `ERR_MLIST_USAGE` if `--set` or `--env` is invalid
 */
export function specParsing(
  args: ParsedArguments,
  context: Context,
): Pick<SpecParsing, 'location' | 'platform' | 'values'> {
  return {
    location: (text) => locationInFile(text, context),
    platform: readPlatform,
    values: readValues(args, context),
  };
}

/**
 * Returns the values of `--set` and `--env`. If neither is given, returns undefined; `${NAME}` is then not replaced.
 */
function readValues(args: ParsedArguments, { env }: Context): PlaceholderValues | undefined {
  const values = new Map<string, GivenValue>();
  const define = (option: string, name: string, value: GivenValue): void => {
    if (!isValueName(name)) {
      const message = `invalid name ${JSON.stringify(name)} in --${option}: a name consists of letters, digits and _, and does not begin with a digit`;
      throw usageError(args.command, message);
    }
    if (values.has(name)) throw usageError(args.command, `--${option} ${name}: a value is already given for this name`);
    values.set(name, value);
  };
  for (const text of args.texts('set')) {
    const [, name, value] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
    if (name === undefined) throw usageError(args.command, `--set takes NAME=VALUE, not ${JSON.stringify(text)}`);
    define('set', name, { text: value ?? '', isSecret: false });
  }
  for (const name of args.texts('env')) define('env', name, { text: variable(name, env), isSecret: true });
  return values.size === 0 ? undefined : new PlaceholderValues(values);
}

function variable(name: string, env: Context['env']): string {
  const value = env[name];
  if (value !== undefined || !isValueName(name)) return value ?? '';
  throw new MlistError('ERR_MLIST_USAGE', `--env ${name}: the environment variable is not set`, {
    hint: `Set ${name} in the environment, or pass the value with --set ${name}=VALUE.`,
  });
}

/** Reads specs from a file, or from stdin for `-`. Reading stops at the size limit. */
async function readSpecFile(name: string, { cwd, stdin, signal, waiting }: Context): Promise<SpecFile> {
  if (name === '-') return { name: 'stdin', bytes: await stdin() };
  try {
    const path = resolve(cwd, name);
    const { size } = await stat(path);
    if (size > MAX_YAML_BYTES) throw tooLarge(name, size);
    return { name, bytes: await waiting(`read ${name}`, readAtMost(path, { maxBytes: MAX_YAML_BYTES, signal })) };
  } catch (cause) {
    throw inputFailure(name, cause);
  }
}

function tooLarge(name: string, size: number): MlistError {
  return new MlistError(
    'ERR_MLIST_DOCUMENT_INVALID',
    `${name}:1:1: the file is too large: ${size} bytes, at most ${MAX_YAML_BYTES} are allowed`,
    { path: name, hint: 'Split the lists into several files.' },
  );
}
