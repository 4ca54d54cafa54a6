import { MlistError } from '../../errors/errors.ts';
import { closestMatch } from '../../text/closest-match.ts';
import type { CommandDeclaration } from './command-declaration.ts';

/** What people type who know other tools, and how it is said here. */
const elsewhere: Readonly<Record<string, string>> = {
  version: '"mlist --version"',
  list: '"mlist ls" lists the drafts, "mlist show NAME" what is in a list, "mlist tags REPO" the tags of a repository',
  drafts: '"mlist ls"',
  images: '"mlist ls" lists the drafts',
  tag: '"mlist push -t :TAG" for a further tag of a draft, "mlist copy SRC DST" for one of what lies in a registry',
  retag: '"mlist copy SRC DST"',
  cp: '"mlist copy SRC DST"',
  mirror: '"mlist copy SRC DST"',
  sync: '"mlist copy SRC DST"',
  pull: '"mlist copy REF oci:DIR" brings a list or an image here',
  save: '"mlist copy REF oci-archive:FILE"',
  load: '"mlist copy oci-archive:FILE REF"',
  index: '"mlist create", "mlist add" and "mlist push"',
  manifest:
    'the commands of "docker manifest" stand alone: "mlist create", "mlist annotate", "mlist inspect", "mlist push"',
  imagetools: '"mlist create" and "mlist push", "mlist inspect"',
  append: '"mlist add [LIST] MANIFEST"',
  new: '"mlist create LIST MANIFEST..."',
  edit: '"mlist annotate", "mlist add" and "mlist remove"',
  set: '"mlist annotate"',
  purge: '"mlist push --purge" or "mlist rm LIST"',
  forget: '"mlist rm LIST"',
  drop: '"mlist rm LIST" for a draft, "mlist remove MANIFEST" for an entry of one, "mlist delete REF" in a registry',
  del: '"mlist rm LIST" for a draft, "mlist remove MANIFEST" for an entry of one, "mlist delete REF" in a registry',
  switch: '"mlist use LIST"',
  checkout: '"mlist use LIST"',
  cat: '"mlist inspect NAME"',
  get: '"mlist inspect NAME"',
  info: '"mlist show NAME"',
  check: '"mlist validate"',
  lint: '"mlist validate"',
  verify: '"mlist validate"',
  compare: '"mlist diff"',
  gc: '"mlist prune"',
  registry: '"mlist serve"',
  merge:
    '"mlist create LIST MANIFEST... --push" combines several images or lists, and "mlist join" adds to a tag from each job of a CI matrix',
  history:
    '"mlist inspect REF" prints the manifest with its layers; the history is in the config, which "docker history" and "crane config" print',
  catalog:
    '"mlist tags REPO" lists the tags of a repository; the repositories of a registry are listed by "crane catalog" or "oras repo ls"',
  sign: 'sign the digest that "mlist digest" prints with a tool such as cosign; "mlist copy --referrers" copies signatures too',
};

/** An error that names the right command, if it is known. */
export function unknownCommand(name: string, commands: readonly CommandDeclaration[]): MlistError {
  const known = commands.map((command) => command.name);
  const said = Object.hasOwn(elsewhere, name) ? elsewhere[name] : undefined;
  const like = said === undefined ? closestMatch(name, known) : undefined;
  return new MlistError(
    'ERR_MLIST_USAGE',
    `there is no command ${JSON.stringify(name)}${like === undefined ? '' : `: did you mean ${like}?`}`,
    { hint: said === undefined ? 'See "mlist --help".' : `Here: ${said}.` },
  );
}
