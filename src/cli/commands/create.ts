import {
  annotateImages,
  create,
  currentList,
  formatReference,
  MlistError,
  parseListName,
  type Created,
  type DockerMetadata,
  type Draft,
  type Format,
  type ManifestArgument,
  type Reference,
} from '../../index.ts';
import { listChange, listFirst, manifestArgument } from '../arguments.ts';
import type { Context } from '../context.ts';
import { readDockerMetadata } from '../docker-metadata.ts';
import { changeDocument, draftDocument } from '../entry-document.ts';
import type { Invocation } from '../language.ts';
import { usage } from '../parse.ts';
import { readPlatforms } from '../platform-words.ts';
import { sourceChoices } from '../source-choices.ts';
import { readBuilds, readSources } from '../source-file.ts';

export async function run(invocation: Invocation, context: Context): Promise<number> {
  const { list: name, rest: manifests } = listFirst(invocation, context);
  const amend = invocation.flag('amend');
  const metadata = await readDockerMetadata(invocation, context);
  const named = name ?? metadata?.tags[0];
  if (named === undefined && !amend) throw usage(invocation.command, 'create takes the name of the list');
  const list = parseListName(named ?? (await currentList(context.workspace)));
  if (manifests.length < invocation.positionals.length) checkIsMeant(list, metadata);
  const files = await Promise.all(invocation.texts('file').map((file) => readSources(file, list, context)));
  const sources: readonly ManifestArgument[] = [
    ...manifests.map((text) => manifestArgument(text, context)),
    ...files.flat(),
    ...((await readBuilds(invocation, list, context)) ?? []),
  ];
  const replace = invocation.flag('replace');
  if (replace && amend) throw usage(invocation.command, '--amend and --replace exclude each other');
  const isEmptyFile = files.length > 0 && sources.length === 0;
  if (isEmptyFile) throw new MlistError('ERR_MLIST_USAGE', `${invocation.texts('file').join(', ')} names no sources`);
  if (replace && sources.length === 0)
    throw usage(invocation.command, '--replace takes all images that the list is to have: none is named');
  const created = await create(list, sources, {
    workspace: context.workspace,
    homes: await context.homes(),
    amend,
    replace,
    format: invocation.text('format') as Format | undefined,
    platforms: readPlatforms(invocation.texts('platform')),
    ...sourceChoices(invocation),
    listChange: changeOf(invocation, metadata),
    signal: context.signal,
    onEvent: context.onEvent,
  });
  const draft = metadata === undefined ? created.draft : await annotateAll(created, metadata, context);
  const { output } = context;
  if (output.json) {
    output.document({
      ...draftDocument(draft),
      changed: created.changed,
      changes: created.changes.map(changeDocument),
    });
  } else {
    output.line(`Created manifest list ${created.list}`);
  }
  return 0;
}

/** An image that stands where the list is to stand would be written over by a push. */
function checkIsMeant(list: Reference, { tags = [] }: Partial<DockerMetadata> = {}): void {
  const name = formatReference(list);
  const [first] = tags;
  if (first === undefined || tags.some((tag) => formatReference(parseListName(tag)) === name)) return;
  throw new MlistError(
    'ERR_MLIST_USAGE',
    `${name} is none of the tags of --docker-metadata: is it the list, or an image?`,
    { hint: `For the list, write "--list ${name}"; with "--list ${first}" all that stands beside it is an image.` },
  );
}

/** What `--index-annotation` says goes before what the metadata says. */
function changeOf(invocation: Invocation, metadata: DockerMetadata | undefined): ReturnType<typeof listChange> {
  const change = listChange(invocation);
  if (metadata === undefined || Object.keys(metadata.annotations).length === 0) return change;
  return { ...change, annotations: { ...metadata.annotations, ...change.annotations } };
}

async function annotateAll({ list }: Created, { entries, left }: DockerMetadata, context: Context): Promise<Draft> {
  for (const text of left) context.output.warn(`a list cannot hold the annotation ${text}: it is left out`);
  return annotateImages(list, entries, context);
}
