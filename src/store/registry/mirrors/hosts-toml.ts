import {
  apiPathOf,
  invalidConfiguration,
  normalizedPath,
  type Capabilities,
  type RuleOrigin,
} from './mirror-endpoint.ts';
import { linesOf, parseToml, TableReader, type TomlTable } from './toml-file.ts';

/** The content of `certs.d/HOST/hosts.toml`, which configures a registry for containerd, BuildKit and nerdctl. */
export interface HostsFile {
  /** The hosts in the order of the file. */
  readonly hosts: readonly HostEntry[];
  /**
   * The settings at the top of the file. They apply to `server`, the host that replaces the registry. If `server` is
   * not set, they apply to the registry itself, and `address` is undefined.
   */
  readonly server: HostSettings & { readonly address: HostAddress | undefined };
}

export interface HostAddress {
  readonly scheme: 'https' | 'http';
  readonly host: string;
  readonly apiPath: string;
}

export interface HostSettings {
  readonly capabilities: Capabilities;
  /** Files with CA certificates. Relative paths are resolved against the folder of hosts.toml. */
  readonly ca: readonly string[];
  /** Files with a client certificate and its key. Both may be the same file. */
  readonly client: readonly [cert: string, key: string] | undefined;
  readonly skipVerify: boolean;
  /**
   * Whether `ca`, `client` or `skip_verify` is set. If so, an http address with a port other than 80 is first tried
   * with https, as in containerd.
   */
  readonly hasTlsSettings: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly origin: RuleOrigin;
}

export interface HostEntry extends HostSettings {
  readonly address: HostAddress;
}

/**
 * Parses a hosts.toml.
 * @throws MlistError `ERR_MLIST_CONFIGURATION` if the content is invalid
 */
export async function parseHostsToml(text: string, path: string): Promise<HostsFile> {
  const table = await parseToml(text, path);
  const failAt = (line: number | undefined) => (reason: string) => invalidConfiguration(path, line, reason);
  const root = new TableReader(table, failAt(undefined));
  const hosts = root.table('host');
  const lines = linesOfHosts(text);
  const entries = Object.keys(hosts).map((name): HostEntry => {
    const line = lines.get(name);
    const fail = failAt(line);
    const settings = new TableReader(hosts, fail).table(name);
    const address = parseAddress(name, settings, fail);
    const origin = `${path}:${line ?? 1}, host "${address.host}"`;
    return { ...parseSettings(settings, fail), address, origin };
  });
  const [serverLine] = linesOf(text, /^[ \t]*server[ \t]*=/);
  const fail = failAt(serverLine);
  const server = new TableReader(table, fail).text('server') ?? '';
  const address = server === '' ? undefined : parseAddress(server, table, fail);
  const origin = `${path}:${serverLine ?? 1}, server`;
  return { hosts: entries, server: { ...parseSettings(table, fail), address, origin } };
}

/** Matches the header of a `[host."NAME"]` table or of a table in it. */
const hostHeader = /^[ \t]*\[[ \t]*"?host"?[ \t]*\.[ \t]*(?:"([^"\\]*)"|'([^']*)'|([\w-]+))/;

/**
 * Returns the line number of the first table of each host, keyed by host. Hosts whose names contain escape sequences
 * are not found.
 */
function linesOfHosts(text: string): ReadonlyMap<string, number> {
  const lines = new Map<string, number>();
  for (const [at, line] of text.split('\n').entries()) {
    const [, quoted, literal, bare] = hostHeader.exec(line) ?? [];
    const name = quoted ?? literal ?? bare;
    if (name !== undefined && !lines.has(name)) lines.set(name, at + 1);
  }
  return lines;
}

/**
 * Parses the address of a host or server.
 * @param settings - the table of the host or server. If it sets `override_path`, `/v2` is not appended to the path
 */
function parseAddress(text: string, settings: TomlTable, fail: (reason: string) => Error): HostAddress {
  const withScheme = text.startsWith('http') && text.includes('://') ? text : `https://${text}`;
  const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol))
    throw fail('the address of a host or server must be a valid http:// or https:// URL');
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    throw fail('the address of a host or server must not contain a user name, a password, a query or a fragment');
  const path = normalizedPath(url);
  const apiPath = new TableReader(settings, fail).flag('override_path') ? path : apiPathOf(path);
  return { scheme: url.protocol === 'http:' ? 'http' : 'https', host: url.host, apiPath };
}

function parseSettings(table: TomlTable, fail: (reason: string) => Error): Omit<HostSettings, 'origin'> {
  const reader = new TableReader(table, fail);
  const client = parseClient(reader.value('client'), fail);
  return {
    capabilities: parseCapabilities(reader.texts('capabilities'), fail),
    ca: reader.texts('ca'),
    client,
    skipVerify: reader.flag('skip_verify'),
    hasTlsSettings: reader.has('skip_verify') || reader.has('ca') || client !== undefined,
    headers: parseHeaders(reader.table('header'), fail),
  };
}

function parseCapabilities(names: readonly string[], fail: (reason: string) => Error): Capabilities {
  const unknown = names.find((name) => !['pull', 'resolve', 'push', 'referrers'].includes(name));
  if (unknown !== undefined) throw fail(`unknown capability ${JSON.stringify(unknown)}`);
  const has = (name: string) => names.length === 0 || names.includes(name);
  return { tags: has('resolve'), digests: has('pull'), referrers: has('referrers') };
}

/**
 * Parses the member `client`: a file with certificate and key, a list of such files, or a list of [certificate, key]
 * pairs. Only the first item of a list is used.
 */
function parseClient(value: unknown, fail: (reason: string) => Error): HostSettings['client'] {
  if (value === undefined) return undefined;
  const first: unknown = Array.isArray(value) ? value[0] : value;
  if (typeof first === 'string') return [first, first];
  const [cert, key, ...more] = Array.isArray(first) ? (first as readonly unknown[]) : [];
  if (typeof cert === 'string' && typeof key === 'string' && more.length === 0) return [cert, key === '' ? cert : key];
  throw fail('client must be a file, a list of files, or a list of [CERT, KEY] pairs');
}

function parseHeaders(table: TomlTable, fail: (reason: string) => Error): Readonly<Record<string, string>> {
  const reader = new TableReader(table, fail);
  return Object.fromEntries(
    reader.names.map((name) => {
      const value = reader.texts(name).join(', ');
      // The message does not quote the value, which may be a token.
      if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name) || /[^\t\x20-\x7e\x80-\xff]/.test(value))
        throw fail(`the header ${JSON.stringify(name)} has an invalid name or value`);
      return [name.toLowerCase(), value];
    }),
  );
}
