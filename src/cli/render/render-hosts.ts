import type { HostUse } from '../../store/registry/host-use.ts';
import type { Output } from '../output/output.ts';

/**
 * Prints on stderr the hosts that a command contacts, and the locations of the logins that they receive if they require
 * one.
 * @param hosts - undefined unless the command is a dry run
 */
export function renderHosts(hosts: readonly HostUse[] | undefined, output: Output): void {
  if (hosts === undefined || hosts.length === 0) return;
  output.note(['hosts', 'bold']);
  const width = Math.max(...hosts.map(({ host }) => host.length));
  for (const use of hosts) output.note(`  ${use.access.padEnd(8)} ${use.host.padEnd(width)}  ${loginText(use)}`);
}

function loginText({ login, places, tokenService, isMirror, problem = '' }: HostUse): string {
  const from = places.length === 0 ? '' : ` from ${places.join(', ')}`;
  const through = tokenService === undefined ? '' : `, token service ${tokenService}`;
  const mirror = isMirror ? ', mirror' : '';
  const text = {
    stored: `login${from}`,
    none: 'no login',
    'not-allowed': 'no login: not an allowed registry',
    unreadable: `the login cannot be read: ${problem}`,
  }[login];
  return text + through + mirror;
}

/** Converts the hosts for documents: schemas/output/hosts.schema.json. Undefined unless the command is a dry run. */
export function hostsDocument(hosts: readonly HostUse[] | undefined): readonly object[] | undefined {
  return hosts?.map(({ host, access, isMirror, login, places, tokenService, problem }) => ({
    host,
    access,
    mirror: isMirror,
    login,
    places,
    tokenService,
    problem,
  }));
}
