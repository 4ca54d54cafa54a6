import { readFile } from 'node:fs/promises';
import { errorCode, MlistError, type Problem } from '../errors.ts';
import { parseDraft } from '../draft/file.ts';
import { checkDraft } from '../draft/rules.ts';
import { readJson } from '../oci/json-read.ts';
import { validateDocument, type ValidateOptions } from '../schema/document.ts';
import type { RuleOptions } from '../schema/list-rules.ts';
import { find, type Found, type ReadOptions } from './read.ts';

export interface Validated {
  /** What was looked at. */
  readonly subject: string;
  readonly from: Found['from'] | 'file';
  readonly problems: readonly Problem[];
}

/** Checks a draft as the list that it stands for, or what lies at a location. */
export async function validateList(
  name: string | undefined,
  rules: RuleOptions,
  options: ReadOptions,
): Promise<Validated> {
  const found = await find(name, options);
  const problems =
    found.from === 'draft'
      ? checkDraft(found.draft, rules)
      : validateDocument(found.content.bytes, { ...rules, mediaType: found.content.descriptor.mediaType }).problems;
  return { subject: found.reference, from: found.from, problems };
}

/** Checks a document in a file; a draft's file as the list that it stands for. */
export async function validateFile(path: string, rules: ValidateOptions): Promise<Validated> {
  return validateBytes(path, await readDocument(path), rules);
}

export async function validateBytes(subject: string, bytes: Uint8Array, rules: ValidateOptions): Promise<Validated> {
  if (!looksLikeDraft(bytes)) return { subject, from: 'file', ...validateDocument(bytes, rules) };
  try {
    return { subject, from: 'file', problems: checkDraft(await parseDraft(bytes, subject), rules) };
  } catch (error) {
    if (error instanceof MlistError && error.problems.length > 0)
      return { subject, from: 'file', problems: error.problems };
    throw error;
  }
}

function looksLikeDraft(bytes: Uint8Array): boolean {
  const { value } = readJson(bytes);
  return typeof value === 'object' && value !== null && 'list' in value && 'entries' in value;
}

async function readDocument(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    const isMissing = errorCode(cause) === 'ENOENT';
    throw new MlistError(
      isMissing ? 'ERR_MLIST_NOT_FOUND' : 'ERR_MLIST_FILE',
      `cannot read ${path}: ${isMissing ? 'there is no such file' : (errorCode(cause) ?? '')}`,
      {
        path,
        cause,
      },
    );
  }
}
