import type { AnnotationChange, ListChange } from '../../draft/draft-edit.ts';
import { parseListName } from '../../draft/workspace/draft-file.ts';
import { shownLocation, storedLocation } from '../../oci/stored-location.ts';
import { MlistError } from '../../errors/errors.ts';
import { isDigest, isDigestName } from '../../oci/digest.ts';
import {
  formatLocation,
  isFileLocation,
  isLocalLocation,
  parseBareLocation,
  parseLocation,
  type Location,
} from '../../oci/location.ts';
import { parseTypedReference, withoutPassword, type Reference } from '../../oci/reference.ts';
import type { TagState } from '../../operations/publish/tag-state.ts';
import type { ManifestArgument } from '../../operations/sources/read-source.ts';
import { digestOnlyArgument } from '../../operations/sources/parse-sources.ts';
import type { Context } from '../context.ts';
import type { ParsedArguments } from './command-declaration.ts';
import { clearable, readPlatform } from './platform-arguments.ts';

/**
 * Returns the list in `--list`, or else in MLIST_LIST. If one of them is set, no positional is treated as the list. An
 * empty MLIST_LIST is ignored. An empty `--list` is an error: if it were ignored, the first image would be used as the
 * list.
 * @throws MlistError `ERR_MLIST_USAGE` if `--list` is empty
 */
export function listOption(args: ParsedArguments, { env }: Context): string | undefined {
  const list = args.text('list');
  if (list === '') throw new MlistError('ERR_MLIST_USAGE', '--list needs the name of a list, not an empty value');
  return list ?? (env['MLIST_LIST'] === '' ? undefined : env['MLIST_LIST']);
}

export interface ListAndRest {
  /** The LIST argument; undefined selects the current draft. `listFirst` normalises it if it is a file location. */
  readonly list: string | undefined;
  readonly rest: readonly string[];
}

/**
 * Separates the list from the other arguments, for commands whose first positional is the list unless `--list` or
 * MLIST_LIST is set.
 */
export function listFirst(args: ParsedArguments, context: Context): ListAndRest {
  const option = listOption(args, context);
  const { positionals } = args;
  const [first, ...rest] = option === undefined ? positionals : [option, ...positionals];
  return { list: first && typedName(first, context), rest };
}

/**
 * Returns the LIST argument of a command that takes no other arguments.
 * @throws MlistError `ERR_MLIST_USAGE` if there is a positional in addition to `--list` or MLIST_LIST
 */
export function onlyList(args: ParsedArguments, context: Context): string | undefined {
  const { list, rest } = listFirst(args, context);
  if (rest.length > 0) throw tooManyArguments(args);
  return list;
}

/**
 * Separates the list from the other arguments, for commands that need at least one other argument. A single positional
 * is therefore not the list. Without `--list` and MLIST_LIST, the current draft is then used.
 */
export function listBeforeOthers(args: ParsedArguments, context: Context): ListAndRest {
  const option = listOption(args, context);
  const { positionals } = args;
  if (option !== undefined || positionals.length < 2) return { list: option, rest: positionals };
  return { list: positionals[0], rest: positionals.slice(1) };
}

export function optionalList(text: string | undefined): Reference | undefined {
  return text === undefined ? undefined : parseListName(text);
}

/** Returns the error for a positional that is unexpected because `--list` or MLIST_LIST already sets the list. */
export function tooManyArguments(args: ParsedArguments): MlistError {
  const { command, positionals } = args;
  const option = args.has('list') ? '--list' : 'MLIST_LIST';
  const last = withoutPassword(positionals.at(-1) ?? '');
  const message = `unexpected argument: ${JSON.stringify(last)} (the list is already set by ${option})`;
  const removal = option === '--list' ? 'remove --list' : 'unset MLIST_LIST';
  return new MlistError('ERR_MLIST_USAGE', message, {
    hint: `Remove the argument, or ${removal}. See "mlist ${command.name} --help".`,
  });
}

/**
 * Parses a location of the command line, and permits reading it even if it is outside the project. Its path is
 * normalised to the form that is displayed: relative to the current folder, unless an absolute path outside the project
 * was typed.
 */
export function typedLocation(text: string, context: Folders): Location {
  return trusted(locationInFile(text, context), context);
}

/** Like `typedLocation`, but a reference without a tag does not get the tag `latest`. */
export function typedBareLocation(text: string, context: Folders): Location {
  return trusted(normalized(parseBareLocation(text), context), context);
}

/**
 * Like `typedLocation`, for a location in a file. It does not permit reading the location, because another person may
 * have written the file.
 */
export function locationInFile(text: string, context: Folders): Location {
  return normalized(parseLocation(text), context);
}

function trusted(location: Location, { workspace }: Folders): Location {
  workspace.guard?.trust(location);
  return location;
}

function normalized(location: Location, { cwd, workspace: { folders } }: Folders): Location {
  return shownLocation(storedLocation(location, { cwd, root: folders.root }), folders);
}

/**
 * Parses the positional of a command that supports only registries.
 * @throws MlistError `ERR_MLIST_USAGE` if the positional is a layout, an archive or an engine image
 */
export function registryReference({ command, positionals: [text = ''] }: ParsedArguments): Reference {
  if (!isLocalLocation(text)) return parseTypedReference(text.replace(/^docker:\/\//, ''));
  throw new MlistError('ERR_MLIST_USAGE', `${command.name} supports registries only, not ${text}`, {
    hint: `Use "mlist show ${text}" to print its content.`,
  });
}

/**
 * Returns a file location with a normalised path, and any other name, such as a draft, an entry or a repository,
 * unchanged. Like `typedLocation`, it permits reading a local location.
 */
export function typedName(text: string, context: Folders): string {
  if (!isLocalLocation(text)) return text;
  const location = typedLocation(text, context);
  return isFileLocation(text) ? formatLocation(location) : text;
}

type Folders = Pick<Context, 'cwd' | 'workspace'>;

/**
 * Parses `MANIFEST[=PLATFORM]`. The path of a file location may contain "=", so in a file location, the text after the
 * last "=" is a platform only if it has the form of one.
 * @param repository - the repository for a MANIFEST that is only a digest
 * @param locate - the parser for locations. Default: `typedLocation`
 */
export function manifestArgument(
  text: string,
  context: Folders,
  repository: Reference,
  locate: (text: string, context: Folders) => Location = typedLocation,
): ManifestArgument {
  const at = text.lastIndexOf('=');
  const looksLikePlatform = /^[^/=]+\/[^/=]+(?:\/[^/=]+)?$/.test(text.slice(at + 1));
  const hasPlatform = at >= 0 && (looksLikePlatform || !isFileLocation(text));
  const name = hasPlatform ? text.slice(0, at) : text;
  const argument = isDigestName(name) ? digestOnlyArgument(repository, name) : { location: locate(name, context) };
  return hasPlatform ? { ...argument, platform: readPlatform(text.slice(at + 1)) } : argument;
}

/**
 * Parses annotations: `KEY=VALUE` sets an annotation, `KEY-` removes it. Returns undefined if `texts` is empty.
 * @throws MlistError `ERR_MLIST_USAGE` if a value has neither form
 */
export function annotationChange(texts: readonly string[], option: string): AnnotationChange | undefined {
  if (texts.length === 0) return undefined;
  const pairs = texts.map((text): readonly [string, string | null] => {
    const at = text.indexOf('=');
    if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
    if (at < 0 && text.length > 1 && text.endsWith('-')) return [text.slice(0, -1), null];
    throw new MlistError(
      'ERR_MLIST_USAGE',
      `${option} takes KEY=VALUE, or KEY- to remove a key, not ${JSON.stringify(text)}`,
    );
  });
  return Object.fromEntries(pairs);
}

/** Returns the changes that `--index-annotation` and `--index-artifact-type` make to the list itself. */
export function listChange(args: ParsedArguments): Pick<ListChange, 'annotations' | 'artifactType'> {
  return {
    annotations: annotationChange(args.texts('index-annotation'), '--index-annotation'),
    artifactType: clearable(args.text('index-artifact-type')),
  };
}

/**
 * Parses `--if-digest`: a digest, or `absent`.
 * @throws MlistError `ERR_MLIST_USAGE` if the value is neither
 */
export function readTagState(text: string | undefined): TagState | undefined {
  if (text === undefined || text === 'absent' || isDigest(text)) return text;
  throw new MlistError('ERR_MLIST_USAGE', `--if-digest takes a digest or absent, not ${JSON.stringify(text)}`);
}
