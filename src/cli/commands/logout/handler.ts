import { logout, registryOf } from '../../../operations/login/login.ts';
import type { Context } from '../../context.ts';
import { credentialLocationDocument } from '../../output/credential-location-document.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { credentialOptions } from '../../args/credential-options.ts';

export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const { onEvent, output } = context;
  const store = credentialOptions(args, context);
  const { registry, locations } = await logout(registryOf(args.positionals[0] ?? ''), { store, onEvent });
  if (output.json) output.document({ registry, keepers: locations.map(credentialLocationDocument) });
  else output.line(`Removed the credentials for ${registry}`);
  return 0;
}
