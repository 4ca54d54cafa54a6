import { login, MlistError, registryOf } from '../../index.ts';
import type { Context } from '../context.ts';
import { readInput } from '../input-file.ts';
import { keeperDocument } from '../keeper-document.ts';
import type { Invocation } from '../language.ts';
import { credentialStore } from '../credential-store.ts';

/** The password comes from stdin or from a person: what stands in the command line is seen by everybody on the machine. */
export async function run(invocation: Invocation, context: Context): Promise<number> {
  const registry = registryOf(invocation.positionals[0] ?? '');
  const username = invocation.text('username') ?? (await asked('Username: ', '--username', context, false));
  const password = invocation.flag('password-stdin')
    ? Buffer.from(await readInput('-', context))
        .toString('utf8')
        .replace(/\r?\n$/, '')
    : await asked('Password: ', '--password-stdin', context, true);
  const { homes, signal, onEvent, output } = context;
  const store = credentialStore(invocation, context);
  const options = { homes: await homes(), store, signal, onEvent };
  const { keeper, verified } = await login({ registry, username, password }, options);
  if (output.json) output.document({ registry, username, verified, keeper: keeperDocument(keeper) });
  else output.line('Login Succeeded');
  return 0;
}

async function asked(question: string, option: string, { canAsk, ask }: Context, hidden: boolean): Promise<string> {
  if (canAsk) return ask(question, { hidden });
  throw new MlistError('ERR_MLIST_USAGE', `nobody can be asked here: ${option} is missing`, {
    hint: 'See "mlist login --help".',
  });
}
