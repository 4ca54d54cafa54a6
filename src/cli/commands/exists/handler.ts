import { exitCodes, MlistError } from '../../../errors/errors.ts';
import { formatLocation } from '../../../oci/location.ts';
import { formatReference } from '../../../oci/reference.ts';
import { listIn, type LookupResult } from '../../../operations/lookup.ts';
import { waitForSource } from '../../../operations/source-wait.ts';
import { typedLocation } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import { waitTime } from '../../args/duration.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';

export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const [name = ''] = args.positionals;
  const found = await locate(name, waitTime(args, 'wait'), context);
  const { output } = context;
  if (output.json) output.document({ exists: found !== undefined, ...found });
  else if (found !== undefined) output.note(['from ', 'dim'], `${found.from} ${found.ref}`);
  return found === undefined ? exitCodes.ERR_MLIST_NOT_FOUND : 0;
}

interface Place {
  readonly from: LookupResult['from'];
  readonly ref: string;
  readonly mirror?: string | undefined;
}

async function locate(name: string, waitMs: number, context: Context): Promise<Place | undefined> {
  const { workspace, output, signal, onEvent } = context;
  const location = typedLocation(name, context);
  const list = listIn(location);
  if (list !== undefined && (await workspace.find(list)) !== undefined)
    return { from: 'draft', ref: formatReference(list) };
  try {
    const stores = await context.stores();
    const { store, name: named } = await stores.resolveLocation(location, { signal });
    await waitForSource(() => store.resolve(named, { signal }), { stores, waitForSourceMs: waitMs, signal, onEvent });
    return { from: location.kind, ref: formatLocation(location), mirror: stores.mirrorOf(location) };
  } catch (thrown) {
    if (!(thrown instanceof MlistError) || thrown.code !== 'ERR_MLIST_NOT_FOUND') throw thrown;
    if (waitMs > 0) output.note(thrown.message);
    return undefined;
  }
}
