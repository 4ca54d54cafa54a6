import type { HostUse } from '../../store/registry/host-use.ts';
import type { Output } from '../output/output.ts';

/**
 * Prints the hosts that a command would contact, and which credentials each host would receive if it requires a login.
 * Prints on stderr.
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
    stored: `credentials${from}`,
    none: 'no credentials',
    'not-allowed': 'no credentials: not an allowed registry',
    unreadable: `the credentials cannot be read: ${problem}`,
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
