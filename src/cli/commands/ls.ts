import { listDrafts, type DraftSummary } from '../../index.ts';
import type { Context } from '../context.ts';
import type { Invocation } from '../language.ts';

export async function run(_invocation: Invocation, { output, workspace }: Context): Promise<number> {
  const drafts = await listDrafts(workspace);
  if (output.json) output.document({ workspace: workspace.folder, drafts });
  else for (const draft of drafts) renderDraft(draft, { output });
  for (const draft of drafts) if ('damaged' in draft) output.warn(draft.damaged);
  return 0;
}

function renderDraft(draft: DraftSummary, { output }: Pick<Context, 'output'>): void {
  if ('damaged' in draft) return output.line(['! ', 'red'], draft.name, ['  damaged', 'red']);
  output.line(
    draft.current ? ['* ', 'green'] : '  ',
    [draft.list, 'bold'],
    `  ${draft.format}  ${draft.platforms.join(' ')}`,
  );
}
