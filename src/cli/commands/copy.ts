import { copy, parseBareLocation, storedLocation, type Copied, type Location } from '../../index.ts';
import { foldersOf, shownName, typedLocation } from '../arguments.ts';
import type { Context } from '../context.ts';
import type { Invocation } from '../language.ts';
import { readPlatforms } from '../platform-words.ts';

export async function run(invocation: Invocation, context: Context): Promise<number> {
  const [source = '', target = ''] = invocation.positionals;
  const copied = await copy(typedLocation(source, context), typedTarget(target, context), {
    homes: await context.homes(),
    platforms: readPlatforms(invocation.texts('platform')),
    attestations: invocation.text('attestations') as 'keep' | 'drop' | undefined,
    referrers: invocation.flag('referrers'),
    force: invocation.flag('force'),
    signal: context.signal,
    onEvent: context.onEvent,
  });
  if (context.output.json) context.output.document(documentOf(copied, context));
  else tell(copied, context);
  return 0;
}

/** Without a tag the source's is meant, so none is added. */
function typedTarget(text: string, context: Context): Location {
  return storedLocation(parseBareLocation(text), foldersOf(context));
}

function tell({ target, status, descriptor, moved }: Copied, context: Context): void {
  const { output } = context;
  const name = shownName(target, context);
  if (status === 'unchanged') output.note(['unchanged ', 'dim'], `${name} has ${descriptor.digest} already`);
  const { manifests, mounted, uploaded, present, bytes } = moved;
  if (manifests > 0) {
    const blobs = mounted + uploaded + present;
    output.note(
      ['copied ', 'green'],
      `${manifests} ${manifests === 1 ? 'manifest' : 'manifests'}, ${blobs} ${blobs === 1 ? 'blob' : 'blobs'}: ` +
        `${mounted} mounted, ${uploaded} moved (${bytes} bytes), ${present} there already`,
    );
  }
  output.line(descriptor.digest);
}

/** schemas/output/copy.schema.json */
function documentOf(copied: Copied, context: Context): object {
  const { mediaType, digest, size } = copied.descriptor;
  return {
    ref: shownName(copied.target, context),
    source: shownName(copied.source, context),
    status: copied.status,
    mediaType,
    digest,
    size,
    filtered: copied.filtered,
    moved: copied.moved,
    referrers: copied.referrers?.map(({ subject, descriptor, tag }) => ({ subject, digest: descriptor.digest, tag })),
    left: copied.left,
  };
}
