import type { EntryView } from '../../../operations/inspect/entry-view.ts';
import { show, type ListView } from '../../../operations/inspect/show.ts';
import { onlyList } from '../../args/typed-arguments.ts';
import { usageError } from '../../args/parse-arguments.ts';
import { resultFile } from '../../output/result-file.ts';
import { isMarkdown } from '../../args/output-format.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { withPlatformForms } from '../../output/platform-forms.ts';
import { withoutFromEvents } from '../../output/reporter.ts';

export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const markdown = isMarkdown(args);
  const list = onlyList(args, context);
  const referrers = args.flag('referrers');
  if (args.has('html')) return writeHtml(list, args, context);
  const tree = args.flag('tree') || referrers;
  const onEvent = markdown ? context.onEvent : withoutFromEvents(context.onEvent, context.output);
  const view = await show(list, { ...context, onEvent, sizes: args.flag('sizes'), tree, referrers });
  if (context.output.json) context.output.document(documentOf(view));
  else await render(view, { markdown, tree, sizes: args.flag('sizes'), digests: args.flag('digests') }, context);
  return 0;
}

/** Writes an HTML page that needs neither a server nor other files. */
async function writeHtml(list: string | undefined, args: ParsedArguments, context: Context): Promise<number> {
  const other = ['json', 'format', 'digests'].find((name) => args.has(name));
  if (other !== undefined) throw usageError(args.command, `--html and --${other} cannot be used together`);
  const file = await resultFile(args.text('html'), '--html', context);
  const { overview } = await import('../../../operations/overview/overview.ts');
  const { overviewFile } = await import('../../../html/overview-page.ts');
  await file?.write(overviewFile(await overview(list, { ...context, referrers: args.flag('referrers') })));
  return 0;
}

/** Converts the result for the `--json` output: schemas/output/show.schema.json. */
function documentOf({ from, reference, entries, ...facts }: ListView): object {
  return withPlatformForms({ from, ref: reference, ...facts, entries: entries.map(entryDocument) });
}

function entryDocument({ attestations, entries, ...entry }: EntryView): object {
  return withPlatformForms({
    ...entry,
    entries: entries?.map(entryDocument),
    attestations: attestations.map(entryDocument),
  });
}

/** Renders a list. Each renderer is loaded only when it is used. */
async function render(
  view: ListView,
  { markdown, tree, sizes, digests }: Record<'markdown' | 'tree' | 'sizes' | 'digests', boolean>,
  { output }: Context,
): Promise<void> {
  const width = output.terminalWidth;
  if (markdown) {
    const { listMarkdown } = await import('./list-markdown.ts');
    for (const line of listMarkdown(view, digests)) output.line(line);
  } else if (tree) {
    const { renderTree } = await import('./render-tree.ts');
    renderTree(view, digests || width === undefined, output, width ?? Number.POSITIVE_INFINITY);
  } else if (width === undefined) {
    const { renderRows } = await import('./render-rows.ts');
    renderRows(view, { sizes, digests }, output);
  } else {
    const { renderListTable } = await import('./render-table.ts');
    renderListTable(view, digests, output, width);
  }
}
