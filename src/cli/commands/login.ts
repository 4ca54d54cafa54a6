import { login, registryOf } from '../../ops/login.ts';
import type { Context } from '../context.ts';
import { keeperDocument } from '../keeper-document.ts';
import type { Invocation } from '../language.ts';
import { credentialStore } from '../credential-store.ts';
import { ask, readPassword, type Question } from '../password-input.ts';

const userNameQuestion: Question = {
  what: 'user name',
  question: 'Username: ',
  option: '--username',
  hidden: false,
};

export async function run(invocation: Invocation, context: Context): Promise<number> {
  const registry = registryOf(invocation.positionals[0] ?? '');
  const username = invocation.text('username') ?? (await ask(userNameQuestion, registry, invocation, context));
  const password = await readPassword(registry, invocation, context);
  const { homes, signal, onEvent, output } = context;
  const store = credentialStore(invocation, context);
  const options = { homes: await homes(), store, signal, onEvent };
  const { keeper, verified } = await login({ registry, username, password }, options);
  if (output.json) output.document({ registry, username, verified, keeper: keeperDocument(keeper) });
  else output.line('Login Succeeded');
  return 0;
}
