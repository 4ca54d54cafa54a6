import { resolve } from 'node:path';
import { collectFolder, type CollectedRepository } from '../../../server/garbage/collect-folder.ts';
import { byteSize, counted } from '../../../text/quantity.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { garbageOptions } from '../../args/garbage-options.ts';
import type { Context } from '../../context.ts';

/** Removes unreferenced content from a folder. Returns 1 if a repository was skipped because of an error. */
export async function run(args: ParsedArguments, { output, cwd, signal, onEvent }: Context): Promise<number> {
  const dryRun = args.flag('dry-run');
  const dir = resolve(cwd, args.positionals[0] ?? '');
  const { removed, bytes, skipped } = await collectFolder(dir, { ...garbageOptions(args), dryRun, signal });
  for (const { name, message } of skipped) {
    onEvent({ type: 'warning', message: `garbage collection of ${name} failed: ${message}` });
  }
  if (output.json) output.document({ removed, bytes, skipped });
  else {
    for (const each of removed) output.line(removalText(each, dryRun));
    if (removed.length === 0) output.note('nothing to remove');
  }
  return skipped.length === 0 ? 0 : 1;
}

/** Formats what was removed: `team/app: removed 12 blobs (3.4 MiB), 2 of them untagged manifests`. */
export function removalText({ name, blobs, manifests, bytes }: CollectedRepository, dryRun = false): string {
  const untagged = manifests.length === 0 ? '' : `, ${manifests.length} of them untagged manifests`;
  const verb = dryRun ? 'would remove' : 'removed';
  return `${name}: ${verb} ${counted(blobs.length, 'blob')} (${byteSize(bytes)})${untagged}`;
}
