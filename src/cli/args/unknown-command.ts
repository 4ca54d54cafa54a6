import { MlistError } from '../../errors/errors.ts';
import { closestMatch } from '../../text/closest-match.ts';
import type { CommandDeclaration } from './command-declaration.ts';

/** Hints about the corresponding commands of mlist, keyed by the commands of other tools. */
const counterparts: Readonly<Record<string, string>> = {
  list: 'Use "mlist ls" for drafts, "mlist show NAME" for the entries of a list, or "mlist tags REPO" for the tags of a repository.',
  drafts: 'Use "mlist ls".',
  images: 'Use "mlist ls" for drafts.',
  tag: 'Use "mlist push -t :TAG" to push a draft to another tag, or "mlist copy SRC DST" to tag a list in a registry.',
  retag: 'Use "mlist copy SRC DST".',
  cp: 'Use "mlist copy SRC DST".',
  mirror: 'Use "mlist copy SRC DST".',
  sync: 'Use "mlist copy SRC DST".',
  pull: 'Use "mlist copy REF oci:DIR" to download a list or an image.',
  save: 'Use "mlist copy REF oci-archive:FILE".',
  load: 'Use "mlist copy oci-archive:FILE REF".',
  index: 'Use "mlist create", "mlist add" and "mlist push".',
  manifest:
    'The subcommands of "docker manifest" are commands of mlist: "mlist create", "mlist annotate", "mlist inspect", "mlist push" and "mlist rm".',
  imagetools: 'Use "mlist create" with --push, or "mlist inspect".',
  append: 'Use "mlist add [LIST] MANIFEST".',
  new: 'Use "mlist create LIST MANIFEST...".',
  edit: 'Use "mlist annotate", "mlist add" or "mlist remove".',
  set: 'Use "mlist annotate".',
  purge: 'Use "mlist push --purge" or "mlist rm LIST".',
  forget: 'Use "mlist rm LIST".',
  drop: 'Use "mlist rm LIST" for a draft, "mlist remove MANIFEST" for an entry of a draft, or "mlist delete REF" in a registry.',
  del: 'Use "mlist rm LIST" for a draft, "mlist remove MANIFEST" for an entry of a draft, or "mlist delete REF" in a registry.',
  switch: 'Use "mlist use LIST".',
  checkout: 'Use "mlist use LIST".',
  cat: 'Use "mlist inspect NAME".',
  get: 'Use "mlist inspect NAME".',
  info: 'Use "mlist show NAME".',
  check: 'Use "mlist validate".',
  lint: 'Use "mlist validate".',
  verify: 'Use "mlist validate".',
  compare: 'Use "mlist diff".',
  registry: 'Use "mlist serve".',
  merge:
    'Use "mlist create LIST MANIFEST... --push" to combine images or lists, or "mlist join" in each job of a CI matrix.',
  history:
    'Use "mlist inspect REF" for the manifest with its layers. The history is in the config: use "docker history" or "crane config".',
  catalog:
    'Use "mlist tags REPO" for the tags of a repository, and "crane catalog" or "oras repo ls" for the repositories of a registry.',
  sign: 'Use a tool such as cosign to sign the digest that "mlist digest" prints. "mlist copy --referrers" also copies signatures.',
};

/** Words that users may type before the name of a command, as in `docker manifest create`. */
const prefixes = ['manifest', 'imagetools', 'index', 'buildx', 'list', 'drafts'];

/**
 * Returns the error for an unknown command, with a hint about the command that was probably meant.
 * @param next - the word after the command
 */
export function unknownCommand(
  name: string,
  next: string | undefined,
  commands: readonly CommandDeclaration[],
): MlistError {
  const names = commands.map((command) => command.name);
  const isPrefix = next !== undefined && prefixes.includes(name) && names.includes(next);
  const own = isPrefix ? `Use "mlist ${next}" in place of "${name} ${next}". See "mlist ${next} --help".` : undefined;
  const counterpart = own ?? (Object.hasOwn(counterparts, name) ? counterparts[name] : undefined);
  const match = counterpart === undefined ? closestMatch(name, names) : undefined;
  return new MlistError(
    'ERR_MLIST_USAGE',
    `unknown command ${JSON.stringify(name)}${match === undefined ? '' : `: did you mean ${match}?`}`,
    { hint: counterpart ?? 'See "mlist --help".' },
  );
}
