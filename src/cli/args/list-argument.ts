import { MlistError, withHint } from '../../errors/errors.ts';
import { isFileLocation } from '../../oci/location.ts';
import { formatReference, withoutPassword } from '../../oci/reference.ts';
import { currentList } from '../../operations/current-draft.ts';
import { listOption } from './typed-arguments.ts';
import type { Context } from '../context.ts';
import type { ParsedArguments } from './command-declaration.ts';

/**
 * Runs what works on a draft. Positionals are read by their number, so that an image may be taken as the list: where there
 * is no such draft, or can be none, that is said, with the command as it was probably meant.
 * @param list - the list that the arguments name; undefined is the current draft
 */
export async function withListArgumentHint<T>(
  list: string | undefined,
  invocation: ParsedArguments,
  context: Context,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (list?.startsWith('docker://') === true && thrown instanceof MlistError && isMissing(thrown)) {
      throw needsPush(thrown, list);
    }
    const [first] = invocation.positionals;
    const isPositional = list !== undefined && listOption(invocation, context) === undefined;
    if (!isPositional || !first || !isOfList(thrown, first)) throw thrown;
    const current = await currentList(context.workspace).catch(() => undefined);
    const typed = invocation.positionals.map(withoutPassword);
    const name = current === undefined ? 'LIST' : formatReference(current);
    const command = [invocation.command.name, name, ...typed].join(' ');
    const meant = `${withoutPassword(first)} was taken as the list. If it is an image, name the list first: "mlist ${command}".`;
    throw withHint(thrown, thrown.hint === undefined ? meant : `${meant} ${thrown.hint}`);
  }
}

function isMissing({ code }: MlistError): boolean {
  return code === 'ERR_MLIST_DRAFT_NOT_FOUND';
}

/** What lies in a registry is edited there and nowhere else. */
function needsPush(error: MlistError, list: string): MlistError {
  const hint =
    `With --push, ${list} is edited in its registry. ` +
    `To edit it here first, make a draft of it: "mlist create ${list.replace('docker://', '')} ${list}".`;
  return withHint(error, hint);
}

/** In a message the path of a location may begin elsewhere than what was typed. */
function isOfList(thrown: unknown, first: string): thrown is MlistError {
  if (!(thrown instanceof MlistError)) return false;
  if (isMissing(thrown)) return true;
  return thrown.code === 'ERR_MLIST_REFERENCE_INVALID' && (isFileLocation(first) || thrown.message.includes(first));
}
