import { exitCodes } from '../../../errors/errors.ts';
import type { HostFacts } from '../../../host/host-facts.ts';
import { readHost } from '../../../host/read-host.ts';
import { explain, type Explained, type ExplainedPlatform } from '../../../operations/explain/explain.ts';
import { onlyList } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { withoutFromEvents } from '../../output/reporter.ts';
import { readRequestedPlatforms } from '../../args/platform-arguments.ts';
import { withPlatformForms } from '../../output/platform-forms.ts';
import { isMarkdown } from '../../args/output-format.ts';
import { renderExplained } from './render-explain.ts';
import { renderExplainTable } from './render-explain-table.ts';

export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const markdown = isMarkdown(args);
  const list = onlyList(args, context);
  const { output } = context;
  const width = output.json || markdown ? undefined : output.terminalWidth;
  const host = context.host ?? (await readHost({ platform: context.platform }));
  const platforms = readRequestedPlatforms(args.texts('platform'));
  const onEvent = markdown ? context.onEvent : withoutFromEvents(context.onEvent, output);
  // Warnings are not reported with the table, because it contains the same facts.
  const explained = await explain(list, platforms, { ...context, onEvent, host, warns: width === undefined });
  if (output.json) output.document(documentOf(explained, host));
  else if (markdown) {
    const { explainMarkdown } = await import('./explain-markdown.ts');
    for (const line of explainMarkdown(explained)) output.line(line);
  } else if (width === undefined) renderExplained(explained, output);
  else renderExplainTable(explained, { verbose: args.flag('verbose'), width }, output);
  return args.flag('exit-code') ? exitCodeOf(explained.platforms) : 0;
}

/**
 * Returns 4 if a client gets no image that runs on a requested platform, otherwise 8 if clients get different images,
 * otherwise 0.
 */
function exitCodeOf(platforms: readonly ExplainedPlatform[]): number {
  const verdicts = new Set(platforms.map(({ verdict }) => verdict));
  if (verdicts.has('nothing') || verdicts.has('broken')) return exitCodes.ERR_MLIST_PLATFORM_NOT_FOUND;
  return verdicts.has('different') ? exitCodes.ERR_MLIST_DIFFERS : 0;
}

/** Converts the result for the `--json` output: schemas/output/explain.schema.json. */
function documentOf({ from, reference, ...facts }: Explained, host: HostFacts): object {
  const { entries, platforms, unreachable } = facts;
  return {
    from,
    ref: reference,
    ...facts,
    entries: entries.map(withPlatformForms),
    platforms: platforms.map(({ clients, ...platform }) =>
      withPlatformForms({
        ...platform,
        clients: clients.map((client) => ({ ...client, picked: client.picked && withPlatformForms(client.picked) })),
      }),
    ),
    unreachable: unreachable?.map(withPlatformForms),
    host: hostDocument(host),
  };
}

/** Returns the facts about this machine, without the magic bytes of the binfmt_misc handlers. */
function hostDocument({ binfmt, ...facts }: HostFacts): object {
  if (binfmt === undefined) return facts;
  const handlers = binfmt.handlers.map(({ name, isEnabled, interpreter, hasInterpreter, flags }) => ({
    name,
    isEnabled,
    interpreter,
    hasInterpreter,
    flags,
  }));
  return { ...facts, binfmt: { state: binfmt.state, handlers } };
}
