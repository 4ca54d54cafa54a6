import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorCode, MlistError, type Problem } from '../../errors/errors.ts';
import type { Draft } from '../../draft/draft.ts';
import { matchesPlatform, platformNotFoundText } from '../../draft/entry-selection.ts';
import { parseDraft } from '../../draft/workspace/draft-file.ts';
import { shownDraft } from '../../draft/workspace/stored-paths.ts';
import { checkDraft } from '../../draft/draft-rules.ts';
import { inputFailure } from '../../fs/file-errors.ts';
import { readAtMost } from '../../fs/read-file.ts';
import { isJsonObject, type Json } from '../../json/json.ts';
import { MAX_DOCUMENT_BYTES, readJson } from '../../json/parse.ts';
import { digestOf } from '../../oci/digest.ts';
import type { Location } from '../../oci/location.ts';
import { MediaType } from '../../oci/media-type.ts';
import { formatPlatform, type Platform } from '../../oci/platform/platform.ts';
import { readManifest, validateDocument, type ValidateOptions } from '../../schema/documents.ts';
import { capped, error, hasErrors, warning } from '../../schema/problems.ts';
import type { RuleOptions } from '../../schema/rules/list-rules.ts';
import type { Stores } from '../../store/open.ts';
import { listedPlatforms, platformsOfDraft, platformsOfEntries, type PlacedPlatform } from '../listed-platforms.ts';
import { isManifestToolSpec } from '../spec/manifest-tool-spec.ts';
import { lookup, type LookupResult, type ReadOptions } from '../lookup.ts';
import { checkContent, needsContent, type ContentChecks, type ContentReport, type Depth } from './check-content.ts';
import { rootsOfDraft, rootsOfFile, rootsOfFound } from './content-roots.ts';

export interface Validated {
  /** The checked reference, location or path. */
  readonly subject: string;
  readonly from: LookupResult['from'] | 'file';
  readonly problems: readonly Problem[];
  /** The amount of content that was checked; only with `deep`. */
  readonly checked?: Depth;
}

/** Options for checks beyond the document itself. */
export interface ListChecks extends ContentChecks {
  /** The platforms that the list must have. By default, they are not checked. */
  readonly expect?: readonly Platform[] | undefined;
}

export interface FileOptions extends ListChecks {
  readonly rules: ValidateOptions;
  /** Opens the stores of the content. Called only if a check needs them. */
  readonly stores: () => Stores | Promise<Stores>;
  /**
   * The repository, layout or archive that has the content that the document refers to. Not needed for drafts, because
   * their entries record their sources.
   */
  readonly repository?: Location | undefined;
  /** Aborts the check, even while it waits for data from a pipe. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Checks the list that a push of a draft would write, or the content of a location. If requested, also checks its
 * platforms and the content below it.
 */
export async function validateList(
  name: string | undefined,
  rules: RuleOptions & ListChecks,
  options: ReadOptions,
): Promise<Validated> {
  const found = await lookup(name, { ...options, allowsUnpushed: !needsContent(rules) });
  const problems =
    found.from === 'draft'
      ? checkDraft(found.draft, rules)
      : validateDocument(found.content.bytes, { ...rules, mediaType: found.content.descriptor.mediaType }).problems;
  const facts = { subject: found.reference, from: found.from };
  const all = [...problems, ...(await expectedIn(found, problems, rules, options))];
  if (!needsContent(rules)) return { ...facts, problems: capped(all) };
  const context = { stores: await options.stores(), signal: options.signal };
  return { ...facts, ...(await checkContent(await rootsOfFound(found, problems, context), all, rules, context)) };
}

/**
 * Returns a problem for each difference between the platforms of a draft, or of the images at a location, and the
 * expected ones.
 */
async function expectedIn(
  found: LookupResult,
  problems: readonly Problem[],
  { expect = [] }: ListChecks,
  options: ReadOptions,
): Promise<readonly Problem[]> {
  if (expect.length === 0) return [];
  try {
    return compareExpected(await listedPlatforms(found, options), expect);
  } catch (thrown) {
    if (hasErrors(problems) && errorCode(thrown) === 'ERR_MLIST_DOCUMENT_INVALID') return [];
    throw thrown;
  }
}

/**
 * Checks a document in a file. For a draft file, the list of the draft is checked. For the index.json of an OCI layout,
 * the rules for layouts apply.
 */
export async function validateFile(path: string, options: FileOptions): Promise<Validated> {
  const bytes = await readDocument(path, options);
  if (!(await isLayoutIndex(path))) return validateBytes(path, bytes, options);
  const { rules, repository = { kind: 'oci', path: dirname(path) } } = options;
  return validateBytes(path, bytes, { ...options, rules: { ...rules, isLayout: true }, repository });
}

async function isLayoutIndex(path: string): Promise<boolean> {
  if (basename(path) !== 'index.json') return false;
  const header = await stat(join(dirname(path), 'oci-layout')).catch(() => undefined);
  return header?.isFile() === true;
}

/**
 * Checks a document, which may be a draft.
 * @param subject - the name of the document, for messages
 * @throws MlistError `ERR_MLIST_USAGE` if a check needs content that the document refers to, but the location of this
 * content is unknown
 */
export async function validateBytes(subject: string, bytes: Uint8Array, options: FileOptions): Promise<Validated> {
  const facts = { subject, from: 'file' } as const;
  if (looksLikeDraft(bytes)) {
    const draft = await draftIn(bytes, subject);
    return { ...facts, ...('problems' in draft ? draft : await validateDraft(draft, options)) };
  }
  if (isSpec(bytes, subject)) return { ...facts, problems: [specProblem(subject)] };
  const { rules, repository, signal } = options;
  const { problems } = validateDocument(bytes, rules);
  if (needsContent(options) && repository === undefined) throw noRepository(subject);
  const all = [...problems, ...(await expectedInDocument(subject, bytes, problems, options))];
  if (repository === undefined || !needsContent(options)) return { ...facts, problems: capped(all) };
  const context = { stores: await options.stores(), signal };
  const roots = await rootsOfFile(bytes, repository, problems, context);
  return { ...facts, ...(await checkContent(roots, all, options, context)) };
}

async function validateDraft(draft: Draft, options: FileOptions): Promise<ContentReport> {
  const { rules, expect = [], signal } = options;
  const expected = expect.length === 0 ? [] : compareExpected(platformsOfDraft(draft), expect);
  const problems = [...checkDraft(draft, rules), ...expected];
  if (!needsContent(options)) return { problems: capped(problems) };
  const stores = await options.stores();
  const context = { stores, signal };
  const roots = await rootsOfDraft(shownDraft(draft, stores.folders), context);
  return checkContent(roots, problems, options, context);
}

/**
 * Like `expectedIn`, for a document in a file. If the location of its content is unknown, only the platforms in its
 * entries are compared.
 */
async function expectedInDocument(
  subject: string,
  bytes: Uint8Array,
  problems: readonly Problem[],
  { expect = [], rules, repository, stores, signal }: FileOptions,
): Promise<readonly Problem[]> {
  if (expect.length === 0) return [];
  try {
    const declared = rules.isLayout === true ? MediaType.ociIndex : rules.mediaType;
    const { mediaType, ...document } = readManifest(bytes, declared, subject);
    if (repository !== undefined) {
      const opened = await stores();
      const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
      const found = { from: repository.kind, reference: subject, location: repository, content: { descriptor, bytes } };
      return await expectedIn(found, problems, { expect }, { cache: opened.cache, stores: () => opened, signal });
    }
    if (!('manifests' in document)) throw noRepository(subject);
    return compareExpected(platformsOfEntries(document.manifests), expect);
  } catch (thrown) {
    if (hasErrors(problems) && errorCode(thrown) === 'ERR_MLIST_DOCUMENT_INVALID') return [];
    throw thrown;
  }
}

/**
 * Compares the platforms of a list with the expected ones (docs/rules.md, E-EXPECT).
 * @returns an error for each expected platform without an image, and a warning for each image that is not expected
 */
function compareExpected(available: readonly PlacedPlatform[], expect: readonly Platform[]): readonly Problem[] {
  const platforms = available.map(({ platform }) => platform);
  const missing = expect.filter((requested) => !platforms.some((platform) => matchesPlatform(platform, requested)));
  const texts = new Set(missing.map((requested) => platformNotFoundText(requested, platforms)));
  const extra = available.filter(({ platform }) => !expect.some((requested) => matchesPlatform(platform, requested)));
  return [
    ...[...texts].map((text) => error('E-EXPECT', '', `there is no image for the expected platform ${text}`)),
    ...extra.map(({ platform, pointer }) =>
      warning('E-EXPECT', pointer, `the image for ${formatPlatform(platform, { all: true })} is not expected`),
    ),
  ];
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
  const message = `cannot check the content that ${subject} refers to: its location is unknown`;
  return new MlistError('ERR_MLIST_USAGE', message, { remedy: { kind: 'name-repository' } });
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

/** Returns the first 64 KiB of a document as text, which is enough to recognise a spec. */
function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(0, 65_536)).toString('utf8');
}

function specProblem(subject: string): Problem {
  const name = subject === 'stdin' ? '-' : subject;
  return error('E-SPEC', '', `is a spec for "mlist apply", not a list: check it with "mlist validate -f ${name}"`);
}

/** Maximum size of a checked document. This is the limit for drafts, which may be larger than lists. */
const MAX_FILE_BYTES = 4 * MAX_DOCUMENT_BYTES;

async function readDocument(path: string, { signal }: FileOptions): Promise<Uint8Array> {
  try {
    return await readAtMost(path, { maxBytes: MAX_FILE_BYTES, signal });
  } catch (cause) {
    signal?.throwIfAborted();
    throw inputFailure(path, cause);
  }
}
