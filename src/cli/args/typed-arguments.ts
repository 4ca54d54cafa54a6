import type { AnnotationChange, ListChange } from '../../draft/draft-edit.ts';
import { parseListName } from '../../draft/workspace/draft-file.ts';
import { shownLocation, storedLocation } from '../../oci/stored-location.ts';
import { MlistError } from '../../errors/errors.ts';
import { isDigestName } from '../../oci/digest.ts';
import { formatLocation, isFileLocation, parseBareLocation, parseLocation, type Location } from '../../oci/location.ts';
import { parseTypedReference, withoutPassword, type Reference } from '../../oci/reference.ts';
import type { ManifestArgument } from '../../operations/sources/resolve-source.ts';
import { digestOnlyArgument } from '../../operations/sources/parse-sources.ts';
import type { Context } from '../context.ts';
import type { ParsedArguments } from './command-declaration.ts';
import { clearable, readPlatform } from './platform-arguments.ts';

/** Reading positionals and option values that several commands take. */

/**
 * `--list` or MLIST_LIST: then no positional is a list. A variable that is empty is as good as none; an option that is
 * empty would turn an image into the list.
 * @throws MlistError `ERR_MLIST_USAGE`
 */
export function listOption(invocation: ParsedArguments, { env }: Context): string | undefined {
  const list = invocation.text('list');
  if (list === '') throw new MlistError('ERR_MLIST_USAGE', '--list takes the name of a list: it is empty');
  return list ?? (env['MLIST_LIST'] === '' ? undefined : env['MLIST_LIST']);
}

export interface ListAndRest {
  /** As typed, but for the form of a path; undefined is the current draft. */
  readonly list: string | undefined;
  readonly rest: readonly string[];
}

/** The list of a command whose first positional is the list, whatever exists. */
export function listFirst(invocation: ParsedArguments, context: Context): ListAndRest {
  const option = listOption(invocation, context);
  const { positionals } = invocation;
  const [first, ...rest] = option === undefined ? positionals : [option, ...positionals];
  return { list: first && typedName(first, context), rest };
}

/** The list of a command that takes the current one where there is a single positional. */
export function listBeforeOthers(invocation: ParsedArguments, context: Context): ListAndRest {
  const option = listOption(invocation, context);
  const { positionals } = invocation;
  if (option !== undefined || positionals.length < 2) return { list: option, rest: positionals };
  return { list: positionals[0], rest: positionals.slice(1) };
}

export function optionalList(text: string | undefined): Reference | undefined {
  return text === undefined ? undefined : parseListName(text);
}

/** More positionals than a command takes beside the list that `--list` or MLIST_LIST names. */
export function tooManyArguments(invocation: ParsedArguments): MlistError {
  const { command, positionals } = invocation;
  const by = invocation.has('list') ? '--list' : 'MLIST_LIST';
  const last = withoutPassword(positionals.at(-1) ?? '');
  const message = `${command.name}: ${JSON.stringify(last)} is too much, since ${by} names the list`;
  return new MlistError('ERR_MLIST_USAGE', message, {
    hint: `Leave one of the two out, or see "mlist ${command.name} --help" for what else it may be.`,
  });
}

/** A location as typed, with its path in the one form that drafts are shown with. */
export function typedLocation(text: string, context: Folders): Location {
  return settled(parseLocation(text), context);
}

/** The same with nothing added: for places where a location without a tag means another one than `latest`. */
export function typedBareLocation(text: string, context: Folders): Location {
  return settled(parseBareLocation(text), context);
}

function settled(location: Location, { cwd, workspace: { folders } }: Folders): Location {
  return shownLocation(storedLocation(location, { cwd, root: folders.root }), folders);
}

/**
 * The only positional of a command that works on registries alone.
 * @throws MlistError `ERR_MLIST_USAGE` for a layout or an archive
 */
export function registryReference({ command, positionals: [text = ''] }: ParsedArguments): Reference {
  if (!isFileLocation(text)) return parseTypedReference(text.replace(/^docker:\/\//, ''));
  throw new MlistError('ERR_MLIST_USAGE', `${command.name} works on registries only, not on ${text}`, {
    hint: `"mlist show ${text}" prints its content, or lists the images to choose from.`,
  });
}

/** A name that may be that of a draft, of an entry or a location: of the last kind the path gets the same form. */
export function typedName(text: string, context: Folders): string {
  return isFileLocation(text) ? formatLocation(typedLocation(text, context)) : text;
}

type Folders = Pick<Context, 'cwd' | 'workspace'>;

/**
 * `MANIFEST[=PLATFORM]`. A path may itself contain "=": only what looks like a platform is then read as one.
 * @param repository - the list's repository, for a MANIFEST that is only a digest
 */
export function manifestArgument(text: string, context: Folders, repository: Reference): ManifestArgument {
  const at = text.lastIndexOf('=');
  const looksLikePlatform = /^[^/=]+\/[^/=]+(?:\/[^/=]+)?$/.test(text.slice(at + 1));
  const hasPlatform = at >= 0 && (looksLikePlatform || !isFileLocation(text));
  const name = hasPlatform ? text.slice(0, at) : text;
  const argument = isDigestName(name)
    ? digestOnlyArgument(repository, name)
    : { location: typedLocation(name, context) };
  return hasPlatform ? { ...argument, platform: readPlatform(text.slice(at + 1)) } : argument;
}

/** `K=V` sets, `K-` removes. */
export function annotationChange(texts: readonly string[], option: string): AnnotationChange | undefined {
  if (texts.length === 0) return undefined;
  const pairs = texts.map((text): readonly [string, string | null] => {
    const at = text.indexOf('=');
    if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
    if (at < 0 && text.length > 1 && text.endsWith('-')) return [text.slice(0, -1), null];
    throw new MlistError(
      'ERR_MLIST_USAGE',
      `${option} takes KEY=VALUE, or KEY- to remove, not ${JSON.stringify(text)}`,
    );
  });
  return Object.fromEntries(pairs);
}

/** `--index-annotation` and `--index-artifact-type`: what the list says of itself. */
export function listChange(invocation: ParsedArguments): Pick<ListChange, 'annotations' | 'artifactType'> {
  return {
    annotations: annotationChange(invocation.texts('index-annotation'), '--index-annotation'),
    artifactType: clearable(invocation.text('index-artifact-type')),
  };
}
