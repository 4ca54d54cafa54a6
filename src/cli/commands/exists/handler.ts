import { matchesPlatform, platformNotFoundText } from '../../../draft/entry-selection.ts';
import { exitCodes, MlistError } from '../../../errors/errors.ts';
import { ignoreNotFound } from '../../../errors/not-found.ts';
import { formatLocation } from '../../../oci/location.ts';
import { formatPlatform, type Platform } from '../../../oci/platform/platform.ts';
import { formatReference } from '../../../oci/reference.ts';
import { listedPlatforms } from '../../../operations/listed-platforms.ts';
import { listIn, lookup, mirrorIn, type LookupResult } from '../../../operations/lookup.ts';
import { waitForSource } from '../../../operations/source-wait.ts';
import { readPlatform } from '../../args/platform-arguments.ts';
import { typedLocation, typedName } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import { waitTime } from '../../args/duration.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';

export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const [name = ''] = args.positionals;
  const platform = args.text('platform');
  if (platform !== undefined) return findPlatform(name, readPlatform(platform), waitTime(args, 'wait'), context);
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

/** Looks up a list or image. Returns exit code 0 only if it is or contains an image for the platform. */
async function findPlatform(name: string, platform: Platform, waitMs: number, context: Context): Promise<number> {
  const { output } = context;
  const options = { ...context, allowsUnpushed: true, waitForSourceMs: waitMs };
  const found = await ignoreNotFound(lookup(typedName(name, context), options));
  if (found === undefined) {
    if (output.json) output.document({ exists: false });
    return exitCodes.ERR_MLIST_NOT_FOUND;
  }
  const available = (await listedPlatforms(found, options)).map((placed) => placed.platform);
  const exists = available.some((candidate) => matchesPlatform(candidate, platform));
  const platforms = [...new Set(available.map((candidate) => formatPlatform(candidate, { all: true })))];
  if (output.json) output.document({ exists, from: found.from, ref: found.reference, ...mirrorIn(found), platforms });
  else if (!exists) output.note(`${found.reference} has no image for ${platformNotFoundText(platform, available)}`);
  return exists ? 0 : exitCodes.ERR_MLIST_PLATFORM_NOT_FOUND;
}
