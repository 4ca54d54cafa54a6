import {
  allCapabilities,
  invalidConfiguration,
  isRepositoryAddress,
  type Capabilities,
  type RuleOrigin,
} from './mirror-endpoint.ts';
import { linesOf, parseToml, TableReader, type TomlTable } from './toml-file.ts';

/** This module parses registries.conf (containers-registries.conf(5)), including version 1 of the format. */

/** A `[[registry]]` table of registries.conf. */
export interface RegistryRule {
  /** `HOST[:PORT][/PATH]`, or `*.DOMAIN` for all subdomains. */
  readonly prefix: string;
  /** The location that replaces the prefix; undefined if references are not rewritten. */
  readonly location: string | undefined;
  readonly insecure: boolean;
  readonly blocked: boolean;
  readonly mirrors: readonly RegistryMirror[];
  readonly origin: RuleOrigin;
}

/** A `[[registry.mirror]]` table of registries.conf. */
export interface RegistryMirror {
  readonly location: string;
  readonly insecure: boolean;
  readonly capabilities: Capabilities;
  readonly origin: RuleOrigin;
}

/**
 * Parses a registries.conf.
 * @throws MlistError `ERR_MLIST_CONFIGURATION` if the content is invalid
 */
export async function parseRegistriesConf(text: string, path: string): Promise<readonly RegistryRule[]> {
  const root = new TableReader(await parseToml(text, path), (reason) => invalidConfiguration(path, undefined, reason));
  const lines = linesOf(text, /^[ \t]*\[\[[ \t]*registry[ \t]*\]\]/);
  const rules = root.tables('registry').map((table, at) => parseRule(table, { path, line: lines[at] }));
  const old = root.has('registries') ? versionOne(root.table('registries'), path) : [];
  if (old.length > 0 && rules.length > 0)
    throw invalidConfiguration(path, undefined, 'it mixes version 1 ([registries]) and version 2 ([[registry]])');
  const all = [...rules, ...old];
  refuseConflicts(all, path, lines);
  return all;
}

interface Place {
  readonly path: string;
  readonly line: number | undefined;
}

function parseRule(table: TomlTable, place: Place): RegistryRule {
  const fail = (reason: string) => invalidConfiguration(place.path, place.line, reason);
  const reader = new TableReader(table, fail);
  const location = checkLocation(parseLocation(reader.text('location'), fail), fail);
  const prefix = parseLocation(reader.text('prefix'), fail) ?? location;
  if (prefix === undefined) throw fail('a [[registry]] has neither a prefix nor a location');
  const isWildcard = prefix.startsWith('*.');
  if (isWildcard && /[/@:]/.test(prefix)) throw fail(`the wildcard prefix "${prefix}" must not contain /, @ or :`);
  if (location === undefined && !isWildcard) throw fail(`the [[registry]] with the prefix "${prefix}" has no location`);
  const origin = `${place.path}${place.line === undefined ? '' : `:${place.line}`}, prefix "${prefix}"`;
  const isByDigestOnly = reader.flag('mirror-by-digest-only');
  return {
    prefix,
    location: location === prefix ? undefined : location,
    insecure: reader.flag('insecure'),
    blocked: reader.flag('blocked'),
    mirrors: reader.tables('mirror').map((mirror) => parseMirror(mirror, { isByDigestOnly, origin, fail })),
    origin,
  };
}

interface MirrorParsing {
  readonly isByDigestOnly: boolean;
  readonly origin: RuleOrigin;
  readonly fail: (reason: string) => Error;
}

function parseMirror(table: TomlTable, { isByDigestOnly, origin, fail }: MirrorParsing): RegistryMirror {
  const reader = new TableReader(table, fail);
  const location = checkLocation(parseLocation(reader.text('location'), fail), fail);
  if (location === undefined) throw fail('a [[registry.mirror]] has no location');
  const pulls = reader.text('pull-from-mirror') ?? '';
  if (isByDigestOnly && pulls !== '')
    throw fail(
      `pull-from-mirror of the mirror "${location}" cannot be combined with mirror-by-digest-only of its registry`,
    );
  if (!['', 'all', 'digest-only', 'tag-only'].includes(pulls))
    throw fail(`pull-from-mirror of the mirror "${location}" must be all, digest-only or tag-only`);
  const digests = pulls !== 'tag-only';
  const tags = !isByDigestOnly && pulls !== 'digest-only';
  return { location, insecure: reader.flag('insecure'), capabilities: { ...allCapabilities, tags, digests }, origin };
}

/** Returns a prefix or location without slashes at its end; undefined if the result is empty. */
function parseLocation(text: string | undefined, fail: (reason: string) => Error): string | undefined {
  const location = text?.replace(/\/+$/, '');
  if (location === undefined || location === '') return undefined;
  if (/^https?:\/\//.test(location)) throw fail('a location or prefix must not begin with a scheme such as https://');
  if (/\s/.test(location)) throw fail('a location or prefix must not contain whitespace');
  return location;
}

/** Validates a location that requests are sent to. The error does not quote it, because it may contain a password. */
function checkLocation(location: string | undefined, fail: (reason: string) => Error): string | undefined {
  if (location === undefined || isRepositoryAddress(location)) return location;
  throw fail('a location must have the form HOST[:PORT][/PATH]');
}

/** Parses version 1 of the format, which lists insecure registries and blocked registries. */
function versionOne(table: TomlTable, path: string): readonly RegistryRule[] {
  const fail = (reason: string) => invalidConfiguration(path, undefined, reason);
  const lists = new TableReader(table, fail);
  const listed = (name: string) => new TableReader(lists.table(name), fail).texts('registries');
  const [insecure, blocked] = [listed('insecure'), listed('block')];
  return [...new Set([...insecure, ...blocked])].map((text) => {
    const prefix = parseLocation(text, fail);
    if (prefix === undefined) throw fail('[registries] contains an empty registry name');
    const origin = `${path}, registry "${prefix}"`;
    const flags = { insecure: insecure.includes(text), blocked: blocked.includes(text) };
    return { prefix, location: undefined, ...flags, mirrors: [], origin };
  });
}

/** Refuses rules that have the same location, but differ in `insecure` or `blocked`. */
function refuseConflicts(rules: readonly RegistryRule[], path: string, lines: readonly number[]): void {
  const byLocation = new Map<string, RegistryRule>();
  rules.forEach((rule, at) => {
    const location = rule.location ?? rule.prefix;
    const other = byLocation.get(location);
    const member = other && (['insecure', 'blocked'] as const).find((name) => other[name] !== rule[name]);
    if (member !== undefined)
      throw invalidConfiguration(path, lines[at], `two rules for the location "${location}" differ in ${member}`);
    byLocation.set(location, rule);
  });
}

/**
 * Adds the rules of a drop-in file. A rule replaces an earlier one with the same prefix; their mirrors are not merged.
 */
export function mergeRules(rules: readonly RegistryRule[], added: readonly RegistryRule[]): readonly RegistryRule[] {
  return [...new Map([...rules, ...added].map((rule) => [rule.prefix, rule])).values()];
}

/** A rule that applies to a repository. */
export interface MatchedRule {
  readonly rule: RegistryRule;
  /** The part of the name after the prefix, such as `/image`. It may begin with a port. */
  readonly rest: string;
}

/**
 * Returns the rule with the longest matching prefix; undefined if no rule matches. Rules with shorter prefixes do not
 * apply.
 * @param name - `HOST[:PORT]` or `HOST[:PORT]/PATH`
 */
export function findRule(rules: readonly RegistryRule[], name: string): MatchedRule | undefined {
  let longest: MatchedRule | undefined;
  for (const rule of rules) {
    const rest = restAfter(rule.prefix, name);
    const isLonger = longest === undefined || rule.prefix.length > longest.rule.prefix.length;
    if (rest !== undefined && isLonger) longest = { rule, rest };
  }
  return longest;
}

function restAfter(prefix: string, name: string): string | undefined {
  const end = prefix.startsWith('*.')
    ? endOfDomain(prefix.slice(1), name)
    : name.startsWith(prefix)
      ? prefix.length
      : -1;
  const rest = end < 0 ? undefined : name.slice(end);
  return rest === '' || rest?.startsWith('/') === true || rest?.startsWith(':') === true ? rest : undefined;
}

/**
 * Returns the index after the first occurrence of `suffix` in the host of a name; -1 if the host begins with
 * `suffix` or does not contain it.
 * @param suffix - a domain with a dot before it, such as `.example.com`
 */
function endOfDomain(suffix: string, name: string): number {
  const at = name.indexOf(suffix);
  return at <= 0 || name.slice(0, at).includes('/') ? -1 : at + suffix.length;
}
