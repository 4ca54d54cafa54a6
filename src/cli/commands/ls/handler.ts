import { listDrafts, type DraftSummary } from '../../../operations/drafts/drafts.ts';
import { formatReference } from '../../../oci/reference.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { renderDrafts } from './render-drafts.ts';

export async function run(_args: ParsedArguments, { output, workspace }: Context): Promise<number> {
  const drafts = await listDrafts(workspace);
  if (output.json) output.document({ workspace: workspace.folder, drafts: drafts.map(draftDocument) });
  else renderDrafts(drafts, output);
  for (const draft of drafts) if ('damaged' in draft) output.warn(draft.damaged);
  return 0;
}

function draftDocument(draft: DraftSummary): object {
  if ('damaged' in draft) return draft;
  const { list, ...facts } = draft;
  return { ref: formatReference(list), ...facts };
}
