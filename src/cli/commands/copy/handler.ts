import { MlistError } from '../../../errors/errors.ts';
import { isTag } from '../../../oci/reference.ts';
import { copy, type Copied, type CopyOutcome } from '../../../operations/copy/copy.ts';
import { readTagState, typedBareLocation, typedLocation } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import { formatPlatform, formatPlatforms } from '../../../oci/platform/platform.ts';
import { waitTime } from '../../args/duration.ts';
import { replacedDocument } from '../../output/event-document.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { counted } from '../../../text/quantity.ts';
import { withPlatformForms } from '../../output/platform-forms.ts';
import { readExpected, readPlatforms } from '../../args/platform-arguments.ts';
import { missingPolicy } from '../../args/source-choices.ts';
import { hostsDocument, renderHosts } from '../../render/render-hosts.ts';
import { planDocument, renderPlan } from '../../render/render-plan.ts';
import { reportLost, reportUnchanged } from '../../output/reporter.ts';

export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const [source = '', target = ''] = args.positionals;
  // The target is parsed without a default tag, because `copy` uses the tag of the source.
  const copied = await copy(typedLocation(source, context), typedBareLocation(target, context), {
    stores: await context.stores(),
    platforms: readPlatforms(args.texts('platform')),
    ...readExpected(args.texts('expect')),
    replaceImage: args.flag('replace-image'),
    attestations: args.text('attestations') as 'keep' | 'drop' | undefined,
    ...missingPolicy(args, context),
    referrers: args.flag('referrers'),
    tags: args.texts('tag').map(readTag),
    ifDigest: readTagState(args.text('if-digest')),
    dryRun: args.flag('dry-run'),
    plans: args.flag('dry-run'),
    force: args.flag('force'),
    waitForSourceMs: waitTime(args, 'wait-for-source'),
    signal: context.signal,
    onEvent: context.onEvent,
  });
  if (context.output.json) context.output.document(documentOf(copied));
  else report(copied, context);
  return 0;
}

/**
 * Parses a `--tag` of the form `:TAG`.
 * @throws MlistError `ERR_MLIST_USAGE` if the text has another form
 */
function readTag(text: string): string {
  const tag = text.slice(1);
  if (text.startsWith(':') && isTag(tag)) return tag;
  throw new MlistError('ERR_MLIST_USAGE', `--tag takes :TAG, a tag at the target, not ${JSON.stringify(text)}`, {
    hint: 'For another repository, use a second "mlist copy".',
  });
}

function report(copied: CopyOutcome, { output, totals }: Context): void {
  const { target, status, descriptor, moved, engine, plan, tags = [], before, lost } = copied;
  const replaced = { ...(before === undefined ? {} : { before }), ...(lost === undefined ? {} : { lost }) };
  const names = [{ reference: target, status, ...replaced }, ...tags];
  if (plan !== undefined) renderPlan(names.filter(isPlanned), plan, output);
  renderHosts(copied.hosts, output);
  for (const name of names) {
    if (isPlanned(name)) reportLost(output, name.reference, name);
    if (name.status === 'unchanged') reportUnchanged(output, name.reference, descriptor.digest);
  }
  const { manifests, mounted, uploaded, present, bytes } = moved;
  if (manifests > 0 && output.hasShortNotes) {
    output.note(['copied ', 'green'], counted(manifests, 'manifest'));
    totals.report(output);
  } else if (manifests > 0) {
    output.note(
      ['copied ', 'green'],
      `${counted(manifests, 'manifest')}, ${counted(mounted + uploaded + present, 'blob')}: ` +
        `${mounted} mounted, ${uploaded} uploaded (${bytes} bytes), ${present} already present`,
    );
  }
  if (engine !== undefined) {
    const platforms = engine.platforms.length === 0 ? '' : ` for ${formatPlatforms(engine.platforms)}`;
    output.note(['loaded ', 'green'], `into ${engine.engine}${platforms}, image ID ${engine.id}`);
  }
  output.line(descriptor.digest);
}

function isPlanned(name: { readonly status: Copied['status'] }): boolean {
  return name.status === 'planned';
}

function engineDocument({ engine }: Copied): object | undefined {
  if (engine === undefined) return undefined;
  const { store, id, platforms } = engine;
  return { store, id, platforms: platforms.map((platform) => formatPlatform(platform, { all: true })) };
}

/** Converts the result for the `--json` output: schemas/output/copy.schema.json. */
function documentOf(copied: CopyOutcome): object {
  const { mediaType, digest, size } = copied.descriptor;
  return {
    ref: copied.target,
    source: copied.source,
    mirror: copied.mirror,
    status: copied.status,
    mediaType,
    digest,
    size,
    ...replacedDocument(copied),
    tags: copied.tags?.map(({ reference, status, ...replaced }) => ({
      ref: reference,
      status,
      ...replacedDocument(replaced),
    })),
    filtered: copied.filtered,
    moved: copied.moved,
    referrers: copied.referrers?.map(({ subject, descriptor, tag }) => ({ subject, digest: descriptor.digest, tag })),
    left: copied.left.map(withPlatformForms),
    engine: engineDocument(copied),
    filled: copied.filled?.map(withPlatformForms),
    plan: copied.plan && planDocument(copied.plan),
    hosts: hostsDocument(copied.hosts),
  };
}
