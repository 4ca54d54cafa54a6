import type { RequestedPlatform, CandidateList } from './candidates.ts';
import { selectAsContainerd, selectAsDocker } from './containerd.ts';
import { selectAsContainers } from './containers.ts';
import { selectAsClassicDocker, selectAsDocker20 } from './docker-classic.ts';
import { type Selection, type Client, noSelection, failedSelection, unpullableReason } from './selection.ts';

/** The clients whose selection is explained. docs/clients.md describes their rules and cites the sources. */
export const clients: readonly Client[] = [
  {
    id: 'docker-classic',
    name: 'Docker, classic store',
    version: 'Docker Engine 23 to 29 with graph drivers',
    select: selectAsClassicDocker,
  },
  {
    id: 'docker-20.10',
    name: 'Docker, classic store (older versions)',
    version: 'Docker Engine 20.10',
    olderThan: 'docker-classic',
    select: selectAsDocker20,
  },
  {
    id: 'docker',
    name: 'Docker, containerd store',
    version: 'Docker Engine with the containerd store, since moby#52773 (June 2026)',
    select: selectAsDocker,
  },
  {
    id: 'containerd',
    name: 'containerd',
    version: 'containerd 1.7 and 2, with nerdctl and Kubernetes; BuildKit; older Docker with the containerd store',
    select: selectAsContainerd,
  },
  {
    id: 'podman',
    name: 'podman, buildah',
    version: 'containers/image 5.28 and newer (since podman 4.7 and buildah 1.32)',
    select: selectAsContainers({ normalizes: true, prefersZstd: true }),
  },
  {
    id: 'podman-4.6',
    name: 'podman, buildah (older versions)',
    version: 'containers/image before 5.28 (up to podman 4.6 and buildah 1.31)',
    olderThan: 'podman',
    select: selectAsContainers({ normalizes: true, prefersZstd: false }),
  },
  {
    id: 'skopeo',
    name: 'skopeo',
    version: 'containers/image 5.28 and newer (since skopeo 1.14)',
    select: selectAsContainers({ normalizes: false, prefersZstd: true }),
  },
  {
    id: 'skopeo-1.13',
    name: 'skopeo (older versions)',
    version: 'containers/image before 5.28 (up to skopeo 1.13)',
    olderThan: 'skopeo',
    select: selectAsContainers({ normalizes: false, prefersZstd: false }),
  },
  {
    id: 'first-match',
    name: 'first-match client',
    version: 'any client that compares only os and architecture',
    select: selectFirstMatch,
  },
];

/** Selects the first entry for the os and architecture. Other members of the platform are ignored. */
function selectFirstMatch(
  { entries }: CandidateList,
  { platform: { os, architecture } }: RequestedPlatform,
): Selection {
  const matches = entries.filter(
    ({ descriptor: { platform } }) => platform?.os === os && platform.architecture === architecture,
  );
  const considered = { wants: [`${os}/${architecture}`], tries: matches };
  const [best] = matches;
  if (best === undefined) return noSelection(considered);
  const failure = unpullableReason(best);
  if (failure !== undefined) return failedSelection(considered, best, failure);
  return { ...considered, selected: best, why: 'first', reason: `first entry for ${os}/${architecture}` };
}
