import { login, registryOf } from '../../../operations/login/login.ts';
import type { Context } from '../../context.ts';
import { credentialLocationDocument } from '../../output/credential-location-document.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { credentialOptions } from '../../args/credential-options.ts';
import { ask, readPassword, type Question } from '../../password-input.ts';

const userNameQuestion: Question = {
  what: 'user name',
  question: 'Username: ',
  option: '--username',
  hidden: false,
};

export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const registry = registryOf(args.positionals[0] ?? '');
  const username = args.text('username') ?? (await ask(userNameQuestion, registry, args, context));
  const password = await readPassword(registry, args, context);
  const { stores, signal, onEvent, output } = context;
  const store = credentialOptions(args, context);
  const options = { stores: await stores(), store, signal, onEvent };
  const { location, verified } = await login({ registry, username, password }, options);
  if (output.json) output.document({ registry, username, verified, keeper: credentialLocationDocument(location) });
  else output.line('Login Succeeded');
  return 0;
}
