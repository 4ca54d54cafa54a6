import { logout, registryOf } from '../../ops/login.ts';
import type { Context } from '../context.ts';
import { keeperDocument } from '../keeper-document.ts';
import type { Invocation } from '../language.ts';
import { credentialStore } from '../credential-store.ts';

export async function run(invocation: Invocation, context: Context): Promise<number> {
  const { onEvent, output } = context;
  const store = credentialStore(invocation, context);
  const { registry, keepers } = await logout(registryOf(invocation.positionals[0] ?? ''), { store, onEvent });
  if (output.json) output.document({ registry, keepers: keepers.map(keeperDocument) });
  else output.line(`Removed the login for ${registry}`);
  return 0;
}
