import type { Diagnosis } from '../../../operations/doctor/diagnosis.ts';
import type { EngineStatus } from '../../../operations/doctor/engine-status.ts';
import type { FolderStatus, WorkspaceStatus } from '../../../operations/doctor/folder-status.ts';
import { isSkewed, type RegistryStatus } from '../../../operations/doctor/registry-status.ts';
import type { MirrorRule } from '../../../operations/doctor/configured-mirrors.ts';
import { errorDocument, type Output, type Span } from '../../output/output.ts';
import { byteSize, counted } from '../../../text/quantity.ts';
import { hintOf } from '../../output/remedy-hint.ts';

type Row = readonly Span[];

/** Converts the report for the `--json` output: schemas/output/doctor.schema.json. */
export function diagnosisDocument({ program, ...sections }: Diagnosis, registry: RegistryStatus | undefined): object {
  const reached = registry && { ...registry, problems: registry.problems.map(errorDocument) };
  return { ...program, ...sections, registry: reached };
}

/** Prints the report in sections. Empty sections are omitted. */
export function renderDiagnosis(diagnosis: Diagnosis, registry: RegistryStatus | undefined, output: Output): void {
  const { program, variables, workspace, folders, proxies, mirrors, engines, logins, certificates, problems } =
    diagnosis;
  const section = (title: string, rows: readonly Row[]): void => {
    if (rows.length === 0) return;
    output.line([title, 'bold']);
    for (const row of rows) output.line('  ', ...row);
  };
  const { version, commit = 'unknown commit', node, system, features } = program;
  output.line([`mlist ${version}`, 'bold'], ` (${[commit, `Node ${node}`, system, ...features].join(', ')})`);
  section('Workspace', [workspaceRow(workspace)]);
  section(
    'Folders',
    folders.map((folder) => [`${folder.purpose}: ${folder.path}: `, ...folderSpans(folder)]),
  );
  section('Variables', variables.length === 0 ? [] : [[variables.join(', ')]]);
  section(
    'Proxies',
    proxies.map(({ name, value = '', hasLogin, problem }) => [
      `${name}: ${value}${hasLogin ? ' (with credentials)' : ''}`,
      ...problemSpans(problem),
    ]),
  );
  section(`Registry configuration${mirrors.isOff ? ' (ignored: MLIST_NO_MIRRORS is set)' : ''}`, [
    ...mirrors.files.map(fileRow),
    ...mirrors.rules.map(mirrorRow),
  ]);
  section('Engines', engines.map(engineRow));
  section('Credentials', [
    ...logins.files.map(fileRow),
    ...logins.logins.map(({ registry, from, helper }): Row => {
      const name = registry === '*' ? 'every registry' : registry;
      return [`${name}: ${helper === undefined ? from : `${helper}, from ${from}`}`];
    }),
  ]);
  section(
    'Certificates',
    certificates.map(({ from, path, count, problem }) => [
      `${from}: ${path}${count === undefined ? '' : ` (${count})`}`,
      ...problemSpans(problem),
    ]),
  );
  if (registry !== undefined) section(`Registry ${registry.registry}`, registryRows(registry));
  section(
    'Not examined',
    problems.map((problem) => [[problem, 'yellow']]),
  );
}

function problemSpans(problem: string | undefined): readonly Span[] {
  return problem === undefined ? [] : [[` ${problem}`, 'yellow']];
}

function fileRow({ path, problem }: { readonly path: string; readonly problem?: string | undefined }): Row {
  return problem === undefined ? [`read ${path}`] : [`cannot use ${path}:`, ...problemSpans(problem)];
}

function workspaceRow(workspace: WorkspaceStatus): Row {
  const { path, from = '', exists = false, drafts, writable = false, problem, freeBytes } = workspace;
  if (path === undefined) return problemSpans(problem);
  const count = drafts === undefined ? 'unreadable drafts' : counted(drafts, 'draft');
  const content = exists ? `${count}, ` : '';
  return [`${path} (${from}): ${content}`, ...folderSpans({ exists, writable, problem, freeBytes })];
}

function folderSpans({
  exists,
  writable,
  freeBytes,
  problem,
}: Pick<FolderStatus, 'exists' | 'writable' | 'freeBytes' | 'problem'>): Row {
  if (!writable) return [[problem ?? 'not writable', 'yellow']];
  const free = freeBytes === undefined ? '' : `, ${byteSize(freeBytes)} free`;
  return [`${exists ? 'writable' : 'does not exist yet, can be created'}${free}`];
}

function mirrorRow({ registry, hosts, isBlocked, from }: MirrorRule): Row {
  const what = isBlocked ? 'blocked' : hosts.length === 0 ? 'no mirrors' : `from ${hosts.join(', ')}`;
  return [`${registry}: ${what} (${from})`];
}

function engineRow({ engine, address, from, reachable, store, problem = '' }: EngineStatus): Row {
  const at = address === undefined ? '' : `${address} (${from ?? ''}): `;
  if (!reachable) return [`${engine}: ${at}`, [problem, 'yellow']];
  return [`${engine}: ${at}${store === undefined || store === 'podman' ? 'podman' : `${store} image store`}`];
}

function registryRows(status: RegistryStatus): readonly Row[] {
  const {
    url,
    status: code,
    milliseconds = 0,
    authentication = [],
    verified,
    certificate,
    login,
    loginAllowed,
    problems,
  } = status;
  const rows: Row[] = [];
  if (url !== undefined) rows.push([`${url} answered in ${milliseconds} ms with HTTP ${code ?? ''}`]);
  if (url !== undefined && code !== 200 && code !== 401)
    rows.push([['unexpected status: a registry answers /v2/ with HTTP 200 or 401', 'yellow']]);
  if (url !== undefined && verified === undefined) rows.push(['not encrypted: plain HTTP']);
  if (certificate !== undefined) {
    const { protocol, owner, issuer, validTo = 'unknown' } = certificate;
    const trust = verified === true ? 'verified' : 'not verified';
    rows.push([`${protocol}, certificate of ${owner} issued by ${issuer}, valid until ${validTo}, ${trust}`]);
  }
  for (const { scheme, realm } of authentication)
    rows.push([`requires a login: ${scheme}${realm === undefined ? '' : ` from ${realm}`}`]);
  if (url !== undefined && authentication.length === 0) rows.push(['requires no login for /v2/']);
  const noLogin = loginAllowed ? 'no stored credentials' : 'no credentials are sent: not an allowed registry';
  rows.push([login === undefined ? noLogin : `credentials from ${login}`]);
  if (isSkewed(status)) rows.push([[skewText(status), 'yellow']]);
  for (const problem of problems) {
    rows.push([[problem.message, 'yellow']]);
    const hint = hintOf(problem);
    if (hint !== undefined) rows.push([['hint: ', 'cyan'], hint]);
  }
  return rows;
}

function skewText({ clockSkewSeconds = 0 }: RegistryStatus): string {
  const [seconds, side] = [Math.abs(clockSkewSeconds), clockSkewSeconds > 0 ? 'behind' : 'ahead of'];
  return `the clock of this machine is ${seconds} s ${side} the clock of the registry: tokens and certificates may be refused`;
}
