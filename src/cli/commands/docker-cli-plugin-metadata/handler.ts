import { version } from '../../../version.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';

/** Prints the metadata that docker reads from its CLI plugins, for example to list them in `docker info`. */
export function run(_args: ParsedArguments, { output }: Context): Promise<number> {
  output.document({
    SchemaVersion: '0.1.0',
    Vendor: 'mlist',
    Version: version,
    ShortDescription: 'Draft, annotate, validate and push multi-platform image lists',
  });
  return Promise.resolve(0);
}
