import { type MlistError, withFirstHint, withFurtherHint, withHint } from '../../errors/errors.ts';
import { familiarReference, formatReference, tryParseReference, repositoryName } from '../../oci/reference.ts';
import { listDrafts } from '../../operations/drafts/drafts.ts';
import type { Workspace } from '../../draft/workspace/workspace.ts';
import { closestMatch } from '../../text/closest-match.ts';

/**
 * If a draft, tag or image was not found, adds a hint about what the user probably meant: a draft with a similar name
 * or in another registry, a draft that has not been pushed yet, another tag, or a manifest digest instead of an image
 * ID.
 */
export async function withNameHint(error: MlistError, workspace: Workspace): Promise<MlistError> {
  const { reference } = error.facts;
  if (reference === undefined) return error;
  if (error.code === 'ERR_MLIST_DRAFT_NOT_FOUND') {
    const similar = closestDraft(reference, await draftNames(workspace));
    return similar === undefined ? error : withFirstHint(error, `Did you mean ${similar}?`);
  }
  const isRead = error.code === 'ERR_MLIST_NOT_FOUND' && error.message.startsWith('cannot read ');
  if (!isRead) return error;
  if ((await draftNames(workspace)).includes(reference))
    return withHint(error, `A draft has this name. Run "mlist push ${reference}" to push it.`);
  const hint = error.facts.status === 404 ? missingHint(error, reference) : undefined;
  return hint === undefined ? error : withFurtherHint(error, hint);
}

function missingHint({ facts }: MlistError, reference: string): string | undefined {
  const parsed = tryParseReference(reference);
  const isRepository = (facts.diagnostics ?? []).some(({ code }) => code === 'NAME_UNKNOWN');
  if (parsed === undefined || isRepository) return undefined;
  if (parsed.digest === undefined) return `Run "mlist tags ${repositoryName(parsed)}" to list the tags.`;
  return 'If this is an image ID from "docker images", use the manifest digest instead. "mlist digest REPO:TAG" prints the digest.';
}

async function draftNames(workspace: Workspace): Promise<readonly string[]> {
  const drafts = await listDrafts(workspace).catch(() => []);
  return drafts.flatMap((draft) => ('damaged' in draft ? [] : [formatReference(draft.list)]));
}

/**
 * Finds the draft that the user probably meant: the same name in another registry, or a name that differs by a typo
 * in either the tag or the repository. Numeric tags are not corrected, because they are all similar to each
 * other.
 */
function closestDraft(reference: string, names: readonly string[]): string | undefined {
  const parsed = tryParseReference(reference);
  const typed = parsed === undefined ? reference : familiarReference(parsed);
  const elsewhere = names.find((name) => name !== reference && name.endsWith(`/${typed}`));
  if (elsewhere !== undefined) return elsewhere;
  const [, repository = '', tag = ''] = /^(.*):([^:/]*)$/.exec(reference) ?? [];
  const inRepository = names
    .filter((name) => name.startsWith(`${repository}:`))
    .map((name) => name.slice(repository.length + 1));
  const closestTag = closestMatch(tag, inRepository);
  if (closestTag !== undefined && !/^[\d.]+$/.test(tag)) return `${repository}:${closestTag}`;
  const others = names.filter((name) => name.endsWith(`:${tag}`)).map((name) => name.slice(0, -tag.length - 1));
  const closestRepository = closestMatch(repository, others);
  return closestRepository === undefined ? undefined : `${closestRepository}:${tag}`;
}
