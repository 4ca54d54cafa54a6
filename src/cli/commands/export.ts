import { exportSpec, writeYaml, type ManifestSpec, type SpecDocument } from '../../index.ts';
import { listFirst, shownName, tooMany } from '../arguments.ts';
import type { Context } from '../context.ts';
import type { Invocation } from '../language.ts';

export async function run(invocation: Invocation, context: Context): Promise<number> {
  const { list, rest } = listFirst(invocation, context);
  if (rest.length > 0) throw tooMany(invocation);
  const spec = await exportSpec(list, {
    workspace: context.workspace,
    cache: context.cache,
    homes: context.homes,
    as: invocation.text('as'),
    signal: context.signal,
    onEvent: context.onEvent,
  });
  const shown = shownSpec(spec, context);
  if (context.output.json) context.output.document(shown);
  else context.output.bytes(Buffer.from(await writeYaml(shown)), '');
  return 0;
}

/** With paths as people see them from where they are: `apply` reads them from there. */
function shownSpec(spec: SpecDocument, context: Context): SpecDocument {
  const { copy, manifests } = spec;
  const shown = (one: string | ManifestSpec): string | ManifestSpec =>
    typeof one === 'string' ? shownName(one, context) : { ...one, image: shownName(one.image, context) };
  return {
    ...spec,
    ...(copy === undefined ? {} : { copy: shownName(copy, context) }),
    ...(manifests === undefined ? {} : { manifests: manifests.map(shown) }),
  };
}
