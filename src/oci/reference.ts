import { MlistError } from '../errors/errors.ts';
import { digestProblem, isDigestName, type Digest } from './digest.ts';

/**
 * A reference to a manifest or repository in a registry: `domain/path[:tag][@digest]`. The grammar and the Docker Hub
 * rules follow distribution/reference v0.6. Unlike that package, mlist rejects a host with invalid characters
 * (`my_host.com/foo`), a port outside 1-65535, and a host that is not valid in a URL (`300.1.1.1/foo`).
 */
export interface Reference {
  /** Host with an optional port; `docker.io` for Docker Hub. */
  readonly domain: string;
  /** Repository in the registry, such as `library/ubuntu`. */
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

export type TagReference = Reference & { readonly tag: string };

const HUB = 'docker.io';
const HUB_LEGACY = 'index.docker.io';
const OFFICIAL = 'library/';
const MAX_PATH = 255;

/**
 * Maximum length of a reference. A reference with a host of up to 253 characters (the limit of DNS), a path of up to
 * 255, a tag of up to 128 and a sha512 digest is shorter.
 */
const MAX_LENGTH = 1024;

const label = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const domainGrammar = `(?:${label}(?:\\.${label})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const pathGrammar = `${component}(?:/${component})*`;
const tagGrammar = '\\w[\\w.-]{0,127}';
const digestGrammar = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}';

const wholeReference = new RegExp(
  `^((?:${domainGrammar}/)?${pathGrammar})(?::(${tagGrammar}))?(?:@(${digestGrammar}))?$`,
);
const wholeName = new RegExp(`^(?:(${domainGrammar})/)?(${pathGrammar})$`);
const wholeTag = new RegExp(`^${tagGrammar}$`);

export function isTag(text: string): boolean {
  return wholeTag.test(text);
}

const wholePath = new RegExp(`^${pathGrammar}$`);

/** Whether a string is a repository name without a registry (distribution-spec v1.1.1 "Pulling manifests"). */
export function isRepositoryName(text: string): boolean {
  return text.length <= MAX_PATH && wholePath.test(text);
}

/**
 * Parses a reference as Docker does: `ubuntu` is `docker.io/library/ubuntu`. Does not add a default tag.
 * @throws MlistError `ERR_MLIST_REFERENCE_INVALID` if the text is not a reference
 */
export function parseReference(text: string): Reference {
  if (text.length > MAX_LENGTH) throw invalid(text, `it is longer than ${MAX_LENGTH} characters`);
  if (/^[a-f0-9]{64}$/.test(text))
    throw invalid(text, 'it looks like an image ID (64 hex digits)', 'Use REPO:TAG or REPO@DIGEST.');
  const { domain, remainder } = splitDomain(text);
  const colon = remainder.indexOf(':');
  const remote = colon < 0 ? remainder : remainder.slice(0, colon);
  if (remote.toLowerCase() !== remote)
    throw invalid(text, 'the repository name must be lowercase', `Write the repository as ${remote.toLowerCase()}.`);
  const match = wholeReference.exec(`${domain}/${remainder}`);
  if (match === null) throw invalid(text, syntaxProblem(text));
  return checkedParts(text, match[1] ?? '', match[2], match[3]);
}

/** Like `parseReference`, but returns undefined if the text is not a reference. */
export function tryParseReference(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch {
    return undefined;
  }
}

/**
 * Whether a string is a complete or shortened digest without a repository. `parseReference` would parse `sha256:...` as
 * a tag of the image `sha256`.
 */
export function isDigestAlone(text: string): boolean {
  return isDigestName(text) || /^sha256:[0-9a-f]{8,63}$/.test(text);
}

/**
 * Parses a reference that a user typed.
 * @throws MlistError `ERR_MLIST_REFERENCE_INVALID` if the text is not a reference, or is a digest without a repository
 */
export function parseTypedReference(text: string): Reference {
  if (!isDigestAlone(text)) return parseReference(text);
  throw new MlistError('ERR_MLIST_REFERENCE_INVALID', `${JSON.stringify(text)} is a digest without a repository`, {
    hint: 'Write the repository and the whole digest: REPO@sha256:...',
  });
}

function checkedParts(text: string, name: string, tag: string | undefined, digest: string | undefined): Reference {
  const [, domain, path] = wholeName.exec(name) ?? [];
  if (domain === undefined || path === undefined)
    throw invalid(text, 'the part before the first slash is not a host name');
  if (path.length > MAX_PATH) throw invalid(text, `the repository name is longer than ${MAX_PATH} characters`);
  const port = /:(\d+)$/.exec(domain)?.[1];
  if (port !== undefined && !isPort(port)) throw invalid(text, `port ${port} is not between 1 and 65535`);
  if (!URL.canParse(`https://${domain}`)) throw invalid(text, `${domain} is not a valid host name or address`);
  if (digest !== undefined) checkDigest(text, digest);
  return {
    domain,
    path,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest: digest as Digest }),
  };
}

/** Accepts only the algorithms that go-digest v1.0 can verify, so that all tools parse the reference alike. */
function checkDigest(text: string, digest: string): void {
  if (!/^sha(?:256|384|512):/.test(digest))
    throw invalid(text, 'the digest algorithm must be sha256, sha384 or sha512');
  const problem = digestProblem(digest);
  if (problem !== undefined) throw invalid(text, problem);
}

function isPort(digits: string): boolean {
  const port = Number(digits);
  return port >= 1 && port <= 65535;
}

/**
 * Splits the host from a reference. The part before the first slash is a host if it is `localhost`, or contains a dot,
 * a colon or an upper-case letter.
 */
function splitDomain(text: string): { domain: string; remainder: string } {
  const slash = text.indexOf('/');
  if (slash < 0) return { domain: HUB, remainder: OFFICIAL + text };
  const first = text.slice(0, slash);
  const rest = text.slice(slash + 1);
  const isHost = first === 'localhost' || /[.:]/.test(first) || first.toLowerCase() !== first;
  const domain = !isHost || first === HUB_LEGACY ? HUB : first;
  const remainder = isHost ? rest : text;
  const official = domain === HUB && !remainder.includes('/');
  return { domain, remainder: official ? OFFICIAL + remainder : remainder };
}

function syntaxProblem(text: string): string {
  if (text === '') return 'it is empty';
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return 'a reference must not have a URL scheme';
  if (/\s/.test(text)) return 'it contains whitespace';
  return 'it must have the form [HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]';
}

/**
 * Creates the error for an invalid reference.
 * @param hint - omitted from the error if the text contains a password, because the hint may repeat it
 */
function invalid(text: string, reason: string, hint?: string): MlistError {
  const shown = withoutPassword(text);
  return new MlistError(
    'ERR_MLIST_REFERENCE_INVALID',
    `invalid reference ${JSON.stringify(shown.slice(0, 300))}: ${reason}`,
    { hint: shown === text ? hint : undefined },
  );
}

/** Matches a reference with a port and `@`, such as `host:5000/team/app:tag@...`, which contains no password. */
const hostAndRepository =
  /^(?:[a-zA-Z][a-zA-Z0-9+.-]*:\/\/)?(?:[\w.-]+|\[[\da-fA-F:]+\]):\d{1,5}\/[a-z\d._/-]*(?::[\w.-]*)?@[^@]*$/;

/**
 * Hides the password in a string that was typed in place of a reference or a host: `me:***@host` for
 * `me:password@host`. Passwords may contain a slash, so everything between the colon and the last `@` that does not
 * precede a digest is hidden, unless the string is a reference with a port.
 */
export function withoutPassword(text: string): string {
  if (hostAndRepository.test(text)) return text;
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/)?([^/@:]*):(.*)@(?!(?:sha\d+|blake3):)/is, '$1$2:***@');
}

/** Adds the tag `latest` to a reference that has neither a tag nor a digest. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === undefined && reference.digest === undefined ? { ...reference, tag: 'latest' } : reference;
}

/** Returns the repository of a reference as `domain/path`. */
export function repositoryName(reference: Reference): string {
  return `${reference.domain}/${reference.path}`;
}

/** Formats a reference in its canonical form, such as `docker.io/library/ubuntu:22.04`. */
export function formatReference(reference: Reference): string {
  return repositoryName(reference) + suffixOf(reference);
}

/**
 * Returns the canonical form of a reference, with the default tag `latest`; undefined if the text is not a reference.
 */
export function canonicalReference(text: string): string | undefined {
  try {
    return formatReference(withDefaultTag(parseReference(text)));
  } catch {
    return undefined;
  }
}

/** Formats a reference in the short form that Docker prints, such as `ubuntu:22.04`. */
export function familiarReference(reference: Reference): string {
  if (reference.domain !== HUB) return formatReference(reference);
  const short = reference.path.startsWith(OFFICIAL) ? reference.path.slice(OFFICIAL.length) : reference.path;
  return (short.includes('/') ? reference.path : short) + suffixOf(reference);
}

function suffixOf({ tag, digest }: Reference): string {
  return (tag === undefined ? '' : `:${tag}`) + (digest === undefined ? '' : `@${digest}`);
}

export function sameRepository(left: Reference, right: Reference): boolean {
  return left.domain === right.domain && left.path === right.path;
}

export function sameReference(left: Reference, right: Reference): boolean {
  return sameRepository(left, right) && left.tag === right.tag && left.digest === right.digest;
}

/** Returns a reference to a digest in the same repository. */
export function withDigest({ domain, path }: Reference, digest: Digest): Reference {
  return { domain, path, digest };
}

/** Returns a reference to a tag in the same repository. */
export function withTag({ domain, path }: Reference, tag: string): Reference {
  return { domain, path, tag };
}
