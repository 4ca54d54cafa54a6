import { MlistError, type Problem } from '../../errors/errors.ts';
import type { Json } from '../../json/json.ts';
import { writeJson } from '../../json/stringify.ts';
import { isFileLocation, parseLocation } from '../../oci/location.ts';
import { formatReference, parseTypedReference, type Reference } from '../../oci/reference.ts';
import { error } from '../../schema/problems.ts';
import { checkDraftDocument } from '../../schema/workspace-documents.ts';
import type { Draft, Entry } from '../draft.ts';

/** Draft files: JSON with one member a line, so that changes are easy to review. */

const draftMembers = ['version', 'list', 'format', 'annotations', 'artifactType', 'subject', 'base', 'extra'] as const;
const entryMembers = [
  ...(['source', 'via', 'mediaType', 'digest', 'size', 'detected', 'set', 'annotations', 'artifactType'] as const),
  ...(['urls', 'data', 'attests', 'extra'] as const),
];

/** Without a final line break, so that every truncated file is invalid JSON. */
export function formatDraft(draft: Draft): string {
  const entries = draft.entries.map((entry) => Object.fromEntries(entryMembers.map((name) => [name, entry[name]])));
  const members = Object.fromEntries(draftMembers.map((name) => [name, draft[name]]));
  return writeJson({ ...members, entries }, { indent: '  ' });
}

/**
 * Reads a draft.
 * @param list - the list that it must be the draft of; undefined accepts any
 * @throws MlistError `ERR_MLIST_DRAFT_DAMAGED` with the path of the file and all problems
 */
export async function parseDraft(bytes: Uint8Array, path: string, list?: string): Promise<Draft> {
  const checked = await checkDraftDocument(bytes);
  if ('problems' in checked) throw damagedDraft(path, checked.problems);
  const draft = draftOf(checked.value);
  const problems = [...checkIdentity(draft, list), ...checkBase(draft), ...draft.entries.flatMap(checkSource)];
  if (problems.length > 0) throw damagedDraft(path, problems);
  return draft;
}

/** The schema has validated the members, including the digests. */
function draftOf(value: Json): Draft {
  return value as unknown as Draft;
}

function checkIdentity(draft: Draft, list: string | undefined): readonly Problem[] {
  const reference = attempt(() => parseListName(draft.list));
  if (reference === undefined || formatReference(reference) !== draft.list) {
    return [error('E-DRAFT', '/list', 'is not a canonical reference with a tag')];
  }
  if (list === undefined || list === draft.list) return [];
  return [error('E-DRAFT', '/list', `names ${draft.list}, but this is the file of ${list}`)];
}

function checkBase({ base }: Draft): readonly Problem[] {
  const isValid = base === undefined || attempt(() => parseLocation(base.ref)) !== undefined;
  return isValid ? [] : [error('E-DRAFT', '/base/ref', 'is not a location')];
}

function checkSource(entry: Entry, at: number): readonly Problem[] {
  const isValid = attempt(() => parseLocation(entry.source)) !== undefined;
  return isValid ? [] : [error('E-DRAFT', `/entries/${at}/source`, 'is not a location')];
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

export function damagedDraft(path: string, problems: readonly Problem[]): MlistError {
  const [first] = problems;
  const where = first === undefined || first.pointer === '' ? '' : ` at ${first.pointer}`;
  return new MlistError(
    'ERR_MLIST_DRAFT_DAMAGED',
    `${path} is damaged: ${first?.message ?? 'it cannot be read'}${where}`,
    {
      path,
      problems,
      hint: 'Fix the file, or remove the draft with "mlist rm" and create it again.',
    },
  );
}

/**
 * Parses the name of a list: a reference with a tag, by default `latest`.
 * @throws MlistError `ERR_MLIST_REFERENCE_INVALID` if it has a digest, which only results from the content, or if it is
 *   the location of a layout or an archive
 */
export function parseListName(text: string): Reference {
  if (isFileLocation(text)) {
    throw new MlistError('ERR_MLIST_REFERENCE_INVALID', `a list is named by a registry reference, not by ${text}`, {
      hint: 'Name the list by a reference, and push it to the location with "mlist push --to LOCATION".',
    });
  }
  const reference = parseTypedReference(text.startsWith('docker://') ? text.slice('docker://'.length) : text);
  if (reference.digest !== undefined) {
    throw new MlistError('ERR_MLIST_REFERENCE_INVALID', `a list is named by a tag, not by a digest: ${text}`, {
      hint: 'Remove the part from "@" on.',
    });
  }
  return { ...reference, tag: reference.tag ?? 'latest' };
}
