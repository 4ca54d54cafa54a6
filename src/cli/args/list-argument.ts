import { MlistError, withFirstHint, withHint } from '../../errors/errors.ts';
import { isLocalLocation } from '../../oci/location.ts';
import { formatReference, withoutPassword } from '../../oci/reference.ts';
import { currentList } from '../../operations/current-draft.ts';
import { listOption } from './typed-arguments.ts';
import type { Context } from '../context.ts';
import type { ParsedArguments } from './command-declaration.ts';

/**
 * Runs an operation on a draft. The number of positionals decides whether the first one is the list, so an image can be
 * treated as the list by mistake. If the name of the list is invalid, or there is no draft with this name, the error
 * gets a hint that shows the command with the list first. For `docker://LIST`, the hint suggests `--push` instead.
 * @param list - the LIST argument; undefined selects the current draft
 */
export async function withListArgumentHint<T>(
  list: string | undefined,
  args: ParsedArguments,
  context: Context,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (list?.startsWith('docker://') === true && thrown instanceof MlistError && isMissing(thrown)) {
      throw needsPush(thrown, list);
    }
    const [first] = args.positionals;
    const isPositional = list !== undefined && listOption(args, context) === undefined;
    if (!isPositional || !first || !isOfList(thrown, first)) throw thrown;
    const current = await currentList(context.workspace).catch(() => undefined);
    const typed = args.positionals.map(withoutPassword);
    const name = current === undefined ? 'LIST' : formatReference(current);
    const command = [args.command.name, name, ...typed].join(' ');
    const hint = `${withoutPassword(first)} is used as the list. If it is an image, put the list first: "mlist ${command}".`;
    throw withFirstHint(thrown, hint);
  }
}

function isMissing({ code }: MlistError): boolean {
  return code === 'ERR_MLIST_DRAFT_NOT_FOUND';
}

/** Adds a hint to the error for `docker://LIST`: a list in a registry can only be edited with `--push`. */
function needsPush(error: MlistError, list: string): MlistError {
  const hint =
    `Add --push to edit ${list} in its registry. ` +
    `To edit it locally first, create a draft: "mlist create ${list.replace('docker://', '')} ${list}".`;
  return withHint(error, hint);
}

/**
 * Whether the error concerns the first argument. A local location is not searched for in the message, because the
 * message may contain its path relative to another folder.
 */
function isOfList(thrown: unknown, first: string): thrown is MlistError {
  if (!(thrown instanceof MlistError)) return false;
  if (isMissing(thrown)) return true;
  return thrown.code === 'ERR_MLIST_REFERENCE_INVALID' && (isLocalLocation(first) || thrown.message.includes(first));
}
