import type { Draft, Format } from '../../../draft/draft.ts';
import { MlistError, withFirstHint, withHint, type ErrorCode } from '../../../errors/errors.ts';
import type { Reference } from '../../../oci/reference.ts';
import { create, type Created } from '../../../operations/create/create.ts';
import { annotateImages, type DockerMetadata } from '../../../operations/sources/docker-metadata.ts';
import type { DraftTarget } from '../../../operations/edit-target.ts';
import type { ManifestArgument } from '../../../operations/sources/read-source.ts';
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

export async function run(args: ParsedArguments, context: Context): Promise<number> {
  refuseNoDraft(args);
  const { list: typed, rest: manifests } = listFirst(args, context);
  const metadata = await readDockerMetadata(args, context);
  const list = await createdName({ list: typed, rest: manifests }, metadata, args, context).catch((thrown: unknown) => {
    throw withListFirst(thrown, 'ERR_MLIST_REFERENCE_INVALID', args, context);
  });
  const sources = await sourcesOf(manifests, list, args, context);
  const request = { sources, metadata, args, context };
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

/** Refuses `--no-draft` without `--push`, because nothing would be stored, and with options that update a draft. */
function refuseNoDraft(args: ParsedArguments): void {
  if (!args.flag('no-draft')) return;
  if (!args.flag('push')) throw new MlistError('ERR_MLIST_USAGE', '--no-draft needs --push');
  const name = ['amend', 'replace'].find((option) => args.flag(option));
  if (name !== undefined) {
    throw new MlistError('ERR_MLIST_USAGE', `--${name} changes a draft, so it cannot be combined with --no-draft`, {
      hint: `Leave out --${name}: with --no-draft, every run creates the list from the given images.`,
    });
  }
}

async function sourcesOf(
  manifests: readonly string[],
  list: Reference,
  args: ParsedArguments,
  context: Context,
): Promise<readonly ManifestArgument[]> {
  const sources = await readSources(manifests, list, args, context);
  const replace = args.flag('replace');
  if (replace && args.flag('amend')) throw usageError(args.command, '--amend and --replace cannot be used together');
  const files = args.texts('file').map(inputName).join(', ');
  if (files !== '' && sources.length === 0) throw new MlistError('ERR_MLIST_USAGE', `no sources in ${files}`);
  if (replace && sources.length === 0) throw usageError(args.command, '--replace needs the new images of the list');
  return sources;
}

interface CreateResult {
  readonly created: Created;
  /** The created draft, with the annotations from the metadata. */
  readonly draft: Draft;
}

interface CreateRequest {
  readonly sources: readonly ManifestArgument[];
  readonly metadata: DockerMetadata | undefined;
  readonly args: ParsedArguments;
  readonly context: Context;
}

async function createDraft(list: Reference, place: DraftTarget, request: CreateRequest): Promise<CreateResult> {
  const { sources, metadata, args, context } = request;
  const created = await create(list, sources, {
    workspace: place.workspace,
    stores: await context.stores(),
    amend: args.flag('amend'),
    replace: args.flag('replace'),
    format: args.text('format') as Format | undefined,
    platforms: readPlatforms(args.texts('platform')),
    order: readExpected(args.texts('expect')).expect,
    ...sourceChoices(args, context),
    strict: args.flag('strict'),
    listChange: changeOf(args, metadata),
    signal: context.signal,
    onEvent: place.onEvent,
  });
  return {
    created,
    draft: metadata === undefined ? created.draft : await annotateAll(list, metadata, context, place),
  };
}

/** Creates the draft. With `--push`, also pushes it: to its reference, and to the tags in `-t` and the metadata. */
async function createOrPush(list: Reference, request: CreateRequest): Promise<Edited<CreateResult>> {
  const { sources, metadata, args, context } = request;
  const make = (place: DraftTarget): Promise<CreateResult> => createDraft(list, place, request);
  if (!args.flag('push')) {
    refusePushOptions(args, listFirstHint(args, context));
    return { edited: await make(context) };
  }
  const { pushCreated } = await import('../../args/push-edit.ts');
  const options = { tags: metadata?.tags ?? [], sources: sources.map(({ location }) => location) };
  return pushCreated(list, args, context, make, options).catch((thrown: unknown) => {
    throw withListFirst(thrown, 'ERR_MLIST_CONFLICT', args, context);
  });
}

/**
 * Adds a hint about the order of the arguments to an error with this code, if the user has put the list in `-t`, as
 * with other tools.
 */
function withListFirst(thrown: unknown, code: ErrorCode, args: ParsedArguments, context: Context): unknown {
  const hint = listFirstHint(args, context);
  if (hint === undefined || !(thrown instanceof MlistError) || thrown.code !== code) return thrown;
  return code === 'ERR_MLIST_CONFLICT' ? withFirstHint(thrown, hint) : withHint(thrown, hint);
}

/**
 * Returns a hint for users of tools whose option `-t` names the list, and whose arguments are all images. The hint
 * shows the same command with the list first. Undefined if no `-t` names a repository, if there are no positionals, if
 * the list is set by `--list` or MLIST_LIST, or if an argument would need quotes in a shell.
 */
function listFirstHint(args: ParsedArguments, context: Context): string | undefined {
  const [list, ...tags] = args.texts('tag').filter((tag) => tag.includes('/'));
  const { positionals } = args;
  if (list === undefined || positionals.length === 0 || listOption(args, context) !== undefined) return undefined;
  const isPlain = [list, ...positionals, ...tags].every((word) => /^[\w.:/@=,+-]+$/.test(word));
  if (!isPlain) return undefined;
  const command = ['mlist create', list, ...positionals, '--push', ...tags.map((tag) => `-t ${tag}`)].join(' ');
  return `The list comes before its images: "${command}".`;
}

/** Returns the changes to the list itself. `--index-annotation` takes precedence over the metadata. */
function changeOf(args: ParsedArguments, metadata: DockerMetadata | undefined): ReturnType<typeof listChange> {
  const change = listChange(args);
  if (metadata === undefined || Object.keys(metadata.annotations).length === 0) return change;
  return { ...change, annotations: { ...metadata.annotations, ...change.annotations } };
}

async function annotateAll(
  list: Reference,
  { entries, unsupported }: DockerMetadata,
  context: Context,
  { workspace }: DraftTarget,
): Promise<Draft> {
  for (const text of unsupported)
    context.output.warn(`the annotation ${text} is skipped: neither a list nor its entries can have it`);
  return annotateImages(list, entries, { workspace, signal: context.signal });
}
