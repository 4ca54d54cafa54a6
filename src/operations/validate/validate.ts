import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { MlistError, type Problem } from '../../errors/errors.ts';
import type { Draft } from '../../draft/draft.ts';
import { parseDraft } from '../../draft/workspace/draft-file.ts';
import { shownDraft } from '../../draft/workspace/stored-paths.ts';
import { checkDraft } from '../../draft/draft-rules.ts';
import { inputFailure } from '../../fs/file-errors.ts';
import { readAtMost } from '../../fs/read-file.ts';
import { isJsonObject, type Json } from '../../json/json.ts';
import { MAX_DOCUMENT_BYTES, readJson } from '../../json/parse.ts';
import type { Location } from '../../oci/location.ts';
import { validateDocument, type ValidateOptions } from '../../schema/documents.ts';
import { error } from '../../schema/problems.ts';
import type { RuleOptions } from '../../schema/rules/list-rules.ts';
import { isManifestToolSpec } from '../spec/manifest-tool-spec.ts';
import { lookup, type LookupResult, type ReadOptions } from '../lookup.ts';
import { checkBytes, checkDraftDeep, checkListDeep, type DeepOptions, type Depth } from './validate-deep.ts';

export interface Validated {
  /** What was checked: a reference, location or path. */
  readonly subject: string;
  readonly from: LookupResult['from'] | 'file';
  readonly problems: readonly Problem[];
  /** How much content was checked; only with `deep`. */
  readonly checked?: Depth;
}

export interface FileOptions {
  readonly rules: ValidateOptions;
  /** Also check all content below the document. Default: only the document. */
  readonly deep?: (DeepOptions & { readonly repository?: Location | undefined }) | undefined;
  /** Also aborts reading from a pipe. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Checks a draft as the list that it would be pushed as, or the content of a location; with `deep` also all content below.
 */
export async function validateList(
  name: string | undefined,
  rules: RuleOptions & { readonly deep?: boolean },
  options: ReadOptions,
): Promise<Validated> {
  const found = await lookup(name, { ...options, allowsUnpushed: rules.deep !== true });
  const problems =
    found.from === 'draft'
      ? checkDraft(found.draft, rules)
      : validateDocument(found.content.bytes, { ...rules, mediaType: found.content.descriptor.mediaType }).problems;
  const facts = { subject: found.reference, from: found.from };
  if (rules.deep !== true) return { ...facts, problems };
  return {
    ...facts,
    ...(await checkListDeep(found, problems, { stores: await options.stores(), signal: options.signal })),
  };
}

/**
 * Checks a document in a file: the file of a draft as its list, and the index.json of an OCI layout by the rules for
 * layouts.
 */
export async function validateFile(path: string, options: FileOptions): Promise<Validated> {
  const bytes = await readDocument(path, options);
  if (!(await isLayoutIndex(path))) return validateBytes(path, bytes, options);
  const { rules, deep } = options;
  const repository = deep?.repository ?? { kind: 'oci', path: dirname(path) };
  return validateBytes(path, bytes, {
    ...options,
    rules: { ...rules, isLayout: true },
    deep: deep && { ...deep, repository },
  });
}

async function isLayoutIndex(path: string): Promise<boolean> {
  if (basename(path) !== 'index.json') return false;
  const header = await stat(join(dirname(path), 'oci-layout')).catch(() => undefined);
  return header?.isFile() === true;
}

/**
 * Checks a document, which may be a draft.
 * @param subject - the name of the document, for messages
 * @throws MlistError `ERR_MLIST_USAGE` if the location of the document's content is not given, with `deep`
 */
export async function validateBytes(
  subject: string,
  bytes: Uint8Array,
  { rules, deep }: FileOptions,
): Promise<Validated> {
  const facts = { subject, from: 'file' } as const;
  if (looksLikeDraft(bytes)) {
    const draft = await draftIn(bytes, subject);
    if ('problems' in draft) return { ...facts, ...draft };
    const problems = checkDraft(draft, rules);
    if (deep === undefined) return { ...facts, problems };
    return { ...facts, ...(await checkDraftDeep(shownDraft(draft, deep.stores.folders), problems, deep)) };
  }
  if (isSpec(bytes, subject)) return { ...facts, problems: [specProblem(subject)] };
  const { problems } = validateDocument(bytes, rules);
  if (deep === undefined) return { ...facts, problems };
  if (deep.repository === undefined) throw noRepository(subject);
  return { ...facts, ...(await checkBytes(bytes, deep.repository, problems, deep)) };
}

async function draftIn(bytes: Uint8Array, subject: string): Promise<Draft | { readonly problems: readonly Problem[] }> {
  try {
    return await parseDraft(bytes, subject);
  } catch (error) {
    if (error instanceof MlistError && error.problems.length > 0) return { problems: error.problems };
    throw error;
  }
}

function noRepository(subject: string): MlistError {
  return new MlistError('ERR_MLIST_USAGE', `the location of the content of ${subject} is unknown`, {
    hint: 'Give the repository, layout or archive with --repo.',
  });
}

function looksLikeDraft(bytes: Uint8Array): boolean {
  const { value } = readJson(bytes);
  return typeof value === 'object' && value !== null && 'list' in value && 'entries' in value;
}

/** Whether a document is probably a spec, which is checked by `validateSpecs`. Specs are YAML or JSON. */
function isSpec(bytes: Uint8Array, subject: string): boolean {
  const { value } = readJson(bytes);
  if (value === undefined) return /\.ya?ml$/i.test(subject) || /^(?:- )?["']?(?:list|image)["']?:/m.test(textOf(bytes));
  const spec = Array.isArray(value) ? (value as readonly Json[])[0] : value;
  if (!isJsonObject(spec)) return false;
  return isManifestToolSpec(spec) ? 'manifests' in spec : 'list' in spec && ('manifests' in spec || 'copy' in spec);
}

/** The beginning of a document, which is enough to recognise it. */
function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(0, 65_536)).toString('utf8');
}

function specProblem(subject: string): Problem {
  const name = subject === 'stdin' ? '-' : subject;
  return error('E-SPEC', '', `is a spec of "mlist apply", not a list: check it with "mlist validate -f ${name}"`);
}

/** Drafts have the largest limit. Larger files are refused by their size. */
const MAX_FILE_BYTES = 4 * MAX_DOCUMENT_BYTES;

async function readDocument(path: string, { signal }: FileOptions): Promise<Uint8Array> {
  try {
    return await readAtMost(path, { maxBytes: MAX_FILE_BYTES, signal });
  } catch (cause) {
    signal?.throwIfAborted();
    throw inputFailure(path, cause);
  }
}
