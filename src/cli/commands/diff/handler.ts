import { exitCodes } from '../../../errors/errors.ts';
import type { EntryDifference } from '../../../oci/list-diff.ts';
import { diff, type DiffSide } from '../../../operations/diff/diff.ts';
import { listFirst, tooManyArguments } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { withPlatformForms } from '../../output/platform-forms.ts';
import { isMarkdown } from '../../args/output-format.ts';
import { renderDiff } from './render-diff.ts';

export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const markdown = isMarkdown(args);
  const { list, rest } = listFirst(args, context);
  const [against, ...more] = rest;
  if (more.length > 0) throw tooManyArguments(args);
  const compared = await diff(list, against, context);
  const { before, after, verdict, list: members, entries } = compared;
  if (context.output.json)
    context.output.document({
      before: sideDocument(before),
      after: sideDocument(after),
      verdict,
      list: members,
      entries: entries.map(entryDocument),
    });
  else if (markdown) {
    const { diffMarkdown } = await import('./diff-markdown.ts');
    for (const line of diffMarkdown(compared)) context.output.line(line);
  } else renderDiff(compared, context.output);
  return args.flag('exit-code') && verdict !== 'same' ? exitCodes.ERR_MLIST_DIFFERS : 0;
}

function entryDocument(entry: EntryDifference): object {
  return {
    ...entry,
    ...('before' in entry ? { before: withPlatformForms(entry.before) } : {}),
    ...('after' in entry ? { after: withPlatformForms(entry.after) } : {}),
  };
}

function sideDocument({ from, reference, digest }: DiffSide): object {
  return { from, ref: reference, digest };
}
