import { MlistError } from '../../errors.ts';
import { login, registryOf } from '../../ops/login.ts';
import type { Context } from '../context.ts';
import { readInput } from '../input-file.ts';
import { keeperDocument } from '../keeper-document.ts';
import type { Invocation } from '../language.ts';
import { credentialStore } from '../credential-store.ts';

/** The password comes from stdin or from a person: what stands in the command line is seen by everybody on the machine. */
export async function run(invocation: Invocation, context: Context): Promise<number> {
  const registry = registryOf(invocation.positionals[0] ?? '');
  const username = invocation.text('username') ?? (await asked(registry, userName, context));
  const password = invocation.flag('password-stdin')
    ? Buffer.from(await readInput('-', context))
        .toString('utf8')
        .replace(/\r?\n$/, '')
    : await asked(registry, secret, context);
  const { homes, signal, onEvent, output } = context;
  const store = credentialStore(invocation, context);
  const options = { homes: await homes(), store, signal, onEvent };
  const { keeper, verified } = await login({ registry, username, password }, options);
  if (output.json) output.document({ registry, username, verified, keeper: keeperDocument(keeper) });
  else output.line('Login Succeeded');
  return 0;
}

interface Asked {
  readonly what: string;
  readonly question: string;
  /** What would have said it. */
  readonly option: string;
  readonly hidden: boolean;
}

const userName: Asked = { what: 'user name', question: 'Username: ', option: '--username', hidden: false };
const secret: Asked = { what: 'password', question: 'Password: ', option: '--password-stdin', hidden: true };

/** Without an answer nothing further is asked. */
async function asked(registry: string, { what, question, option, hidden }: Asked, context: Context): Promise<string> {
  if (!context.canAsk) {
    throw new MlistError('ERR_MLIST_USAGE', `nobody can be asked here: ${option} is missing`, {
      hint: 'See "mlist login --help".',
    });
  }
  const answer = await context.ask(question, { hidden });
  if (answer !== '') return answer;
  throw new MlistError('ERR_MLIST_USAGE', `no ${what} is given for ${registry}`);
}
