import { parseListName } from '../../../draft/workspace/draft-file.ts';
import { MlistError } from '../../../errors/errors.ts';
import { isLocalLocation } from '../../../oci/location.ts';
import type { TagReference } from '../../../oci/reference.ts';
import { pruneSlots } from '../../../operations/join/prune-slots.ts';
import { join, type Joined } from '../../../operations/join/join.ts';
import { groupOf } from '../../../operations/join/group.ts';
import { manifestArgument } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import { withPlatformForms } from '../../output/platform-forms.ts';
import { parseDuration, waitTime } from '../../args/duration.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { missingArguments, usageError } from '../../args/parse-arguments.ts';
import { readPlatforms } from '../../args/platform-arguments.ts';
import { missingPolicy } from '../../args/source-choices.ts';

export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const [text = '', ...manifests] = args.positionals;
  const reference = targetOf(text);
  if (args.flag('prune')) return prune(reference, manifests, args, context);
  if (manifests.length === 0) throw missingArguments(args.command, ['MANIFEST']);
  const expect = readPlatforms(args.texts('expect'));
  const wait = args.text('wait');
  if (wait !== undefined && expect.length === 0) throw usageError(args.command, '--wait needs --expect');
  const group = args.text('group');
  if (group !== undefined && !/^[^\p{Cc}]{1,200}$/u.test(group))
    throw usageError(args.command, '--group takes 1 to 200 characters, without control characters');
  const joined = await join(
    reference,
    manifests.map((manifest) => manifestArgument(manifest, context, reference)),
    {
      stores: await context.stores(),
      group: groupOf(context.env, group),
      expect,
      waitMs: wait === undefined ? undefined : parseDuration(wait, '--wait'),
      replaceImage: args.flag('replace-image'),
      waitForSourceMs: waitTime(args, 'wait-for-source'),
      attestations: args.text('attestations') as 'keep' | 'drop' | undefined,
      ...missingPolicy(args, context),
      signal: context.signal,
      onEvent: context.onEvent,
    },
  );
  report(joined, context);
  return 0;
}

async function prune(
  reference: TagReference,
  more: readonly string[],
  args: ParsedArguments,
  { stores, output, signal, onEvent }: Context,
): Promise<number> {
  if (more.length > 0) throw usageError(args.command, '--prune takes only REF, without MANIFEST');
  const { ref, pruned } = await pruneSlots(reference, { stores: await stores(), signal, onEvent });
  if (output.json) output.document({ ref, pruned });
  return 0;
}

function targetOf(text: string): TagReference {
  if (isLocalLocation(text)) {
    throw new MlistError('ERR_MLIST_USAGE', `join supports registries only, not ${text}`);
  }
  const { tag = 'latest', ...reference } = parseListName(text);
  return { ...reference, tag };
}

function report(
  { ref, group, complete, waiting, superseded, descriptor, slots }: Joined,
  { output, totals }: Context,
): void {
  if (output.json) {
    const { mediaType, digest, size } = descriptor ?? {};
    output.document({
      ref,
      group: group.id,
      complete,
      waiting,
      superseded: superseded?.id,
      mediaType,
      digest,
      size,
      slots: slots.map(withPlatformForms),
    });
    return;
  }
  totals.report(output);
  if (waiting.length > 0) output.note(['waiting ', 'yellow'], `${ref} still needs ${waiting.join(', ')}`);
  if (descriptor !== undefined) output.line(descriptor.digest);
}
