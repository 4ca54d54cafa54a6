import type { Draft, Format } from '../../../draft/draft.ts';
import { MlistError, withFirstHint, withHint, type ErrorCode } from '../../../errors/errors.ts';
import type { Reference } from '../../../oci/reference.ts';
import { create, type Created } from '../../../operations/create/create.ts';
import { annotateImages, type DockerMetadata } from '../../../operations/sources/docker-metadata.ts';
import type { DraftTarget } from '../../../operations/edit-target.ts';
import type { ManifestArgument } from '../../../operations/sources/resolve-source.ts';
import { listChange, listFirst, listOption } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import { createdName } from './created-name.ts';
import { readDockerMetadata } from '../../args/docker-metadata-file.ts';
import { refusePushOptions } from '../../args/run-edit.ts';
import { changeDocument, draftDocument } from '../../output/entry-document.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { inputName } from '../../args/input-file.ts';
import { usageError } from '../../args/parse-arguments.ts';
import type { Edited } from '../../args/push-edit.ts';
import { readExpected, readPlatforms } from '../../args/platform-arguments.ts';
import { sourceChoices } from '../../args/source-choices.ts';
import { readSources } from './source-file.ts';

export async function run(invocation: ParsedArguments, context: Context): Promise<number> {
  const { list: typed, rest: manifests } = listFirst(invocation, context);
  const metadata = await readDockerMetadata(invocation, context);
  const list = await createdName({ list: typed, rest: manifests }, metadata, invocation, context).catch(
    (thrown: unknown) => {
      throw withListFirst(thrown, 'ERR_MLIST_REFERENCE_INVALID', invocation, context);
    },
  );
  const sources = await sourcesOf(manifests, list, invocation, context);
  const request = { sources, metadata, invocation, context };
  const { edited, pushed } = await createOrPush(list, request);
  const { draft, created } = edited;
  const { output } = context;
  if (output.json) {
    output.document({
      ...draftDocument(draft),
      changed: created.changed,
      changes: created.changes.map(changeDocument),
      pushed,
    });
  } else if (pushed === undefined) {
    output.line(`Created manifest list ${created.list}`);
  }
  return 0;
}

async function sourcesOf(
  manifests: readonly string[],
  list: Reference,
  invocation: ParsedArguments,
  context: Context,
): Promise<readonly ManifestArgument[]> {
  const sources = await readSources(manifests, list, invocation, context);
  const replace = invocation.flag('replace');
  if (replace && invocation.flag('amend'))
    throw usageError(invocation.command, '--amend and --replace cannot be used together');
  const files = invocation.texts('file').map(inputName).join(', ');
  if (files !== '' && sources.length === 0) throw new MlistError('ERR_MLIST_USAGE', `${files} contains no sources`);
  if (replace && sources.length === 0)
    throw usageError(invocation.command, '--replace needs all images of the list as arguments');
  return sources;
}

interface CreateResult {
  readonly created: Created;
  /** The draft with the annotations of the metadata. */
  readonly draft: Draft;
}

interface CreateRequest {
  readonly sources: readonly ManifestArgument[];
  readonly metadata: DockerMetadata | undefined;
  readonly invocation: ParsedArguments;
  readonly context: Context;
}

async function createDraft(list: Reference, place: DraftTarget, request: CreateRequest): Promise<CreateResult> {
  const { sources, metadata, invocation, context } = request;
  const created = await create(list, sources, {
    workspace: place.workspace,
    stores: await context.stores(),
    amend: invocation.flag('amend'),
    replace: invocation.flag('replace'),
    format: invocation.text('format') as Format | undefined,
    platforms: readPlatforms(invocation.texts('platform')),
    order: readExpected(invocation.texts('expect')).expect,
    ...sourceChoices(invocation),
    strict: invocation.flag('strict'),
    listChange: changeOf(invocation, metadata),
    signal: context.signal,
    onEvent: place.onEvent,
  });
  return {
    created,
    draft: metadata === undefined ? created.draft : await annotateAll(list, metadata, context, place),
  };
}

/** Creates the draft. With `--push` it also pushes the list to all tags of the metadata. */
async function createOrPush(list: Reference, request: CreateRequest): Promise<Edited<CreateResult>> {
  const { sources, metadata, invocation, context } = request;
  const make = (place: DraftTarget): Promise<CreateResult> => createDraft(list, place, request);
  if (!invocation.flag('push')) {
    refusePushOptions(invocation, listFirstHint(invocation, context));
    return { edited: await make(context) };
  }
  const { pushCreated } = await import('../../args/push-edit.ts');
  const options = { tags: metadata?.tags ?? [], sources: sources.map(({ location }) => location) };
  return pushCreated(list, invocation, context, make, options).catch((thrown: unknown) => {
    throw withListFirst(thrown, 'ERR_MLIST_CONFLICT', invocation, context);
  });
}

/** Adds the hint that the list comes first to an error that the argument order of other tools causes. */
function withListFirst(thrown: unknown, code: ErrorCode, invocation: ParsedArguments, context: Context): unknown {
  const hint = listFirstHint(invocation, context);
  if (hint === undefined || !(thrown instanceof MlistError) || thrown.code !== code) return thrown;
  return code === 'ERR_MLIST_CONFLICT' ? withFirstHint(thrown, hint) : withHint(thrown, hint);
}

/**
 * In other tools `-t` names the list and all arguments are images. The hint shows the same command in the order of `create`.
 * There is no hint for arguments that need quoting in a shell.
 */
function listFirstHint(invocation: ParsedArguments, context: Context): string | undefined {
  const [list, ...tags] = invocation.texts('tag').filter((tag) => tag.includes('/'));
  const { positionals } = invocation;
  if (list === undefined || positionals.length === 0 || listOption(invocation, context) !== undefined) return undefined;
  const isPlain = [list, ...positionals, ...tags].every((word) => /^[\w.:/@=,+-]+$/.test(word));
  if (!isPlain) return undefined;
  const command = ['mlist create', list, ...positionals, '--push', ...tags.map((tag) => `-t ${tag}`)].join(' ');
  return `The list comes before its images: "${command}".`;
}

/** The changes to the list. `--index-annotation` takes precedence over the metadata. */
function changeOf(invocation: ParsedArguments, metadata: DockerMetadata | undefined): ReturnType<typeof listChange> {
  const change = listChange(invocation);
  if (metadata === undefined || Object.keys(metadata.annotations).length === 0) return change;
  return { ...change, annotations: { ...metadata.annotations, ...change.annotations } };
}

async function annotateAll(
  list: Reference,
  { entries, unsupported }: DockerMetadata,
  context: Context,
  { workspace }: DraftTarget,
): Promise<Draft> {
  for (const text of unsupported) context.output.warn(`a list cannot have the annotation ${text}, so it is skipped`);
  return annotateImages(list, entries, { workspace, signal: context.signal });
}
