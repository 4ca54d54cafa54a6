import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { MlistError } from '../errors.ts';
import { inputFailure } from '../files/failure.ts';
import { readAtMost } from '../files/read.ts';
import type { SpecFile } from '../ops/spec-read.ts';
import { MAX_YAML_BYTES } from '../schema/yaml.ts';
import type { Context } from './context.ts';

/** Reads specs from a file, or from stdin. Of what is too large only so much is read that it shows. */
export async function readSpecFile(name: string, { cwd, stdin, signal, waiting }: Context): Promise<SpecFile> {
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
    `${name}:1:1: has ${size} bytes: a file of specs has at most ${MAX_YAML_BYTES}`,
    { path: name, hint: 'Spread the lists over several files.' },
  );
}
