import type { RequestedPlatform, CandidateList } from './candidates.ts';
import { selectAsContainerd, selectAsDocker } from './containerd.ts';
import { selectAsContainers } from './containers.ts';
import { selectAsClassicDocker } from './docker-classic.ts';
import { type Selection, type Client, noSelection, failedSelection, unreadableReason } from './selection.ts';

/** The clients whose choices are explained; docs/clients.md has their rules and where these are from. */
export const clients: readonly Client[] = [
  {
    id: 'docker-classic',
    name: 'Docker, classic store',
    version: 'Docker Engine 23 to 29 with graph drivers',
    select: selectAsClassicDocker,
  },
  {
    id: 'docker',
    name: 'Docker, containerd store',
    version: 'Docker Engine with the containerd store, from moby#52773 (June 2026) on',
    select: selectAsDocker,
  },
  {
    id: 'containerd',
    name: 'containerd',
    version: 'containerd 1.7 and 2, with nerdctl and Kubernetes; BuildKit; Docker with the containerd store before',
    select: selectAsContainerd,
  },
  {
    id: 'podman',
    name: 'podman, buildah',
    version: 'containers/image 5.28 and newer: podman 4.7, buildah 1.32',
    select: selectAsContainers({ normalizes: true, prefersZstd: true }),
  },
  {
    id: 'podman-4.6',
    name: 'podman, buildah of old',
    version: 'containers/image before 5.28: podman 4.6, buildah 1.31',
    olderThan: 'podman',
    select: selectAsContainers({ normalizes: true, prefersZstd: false }),
  },
  {
    id: 'skopeo',
    name: 'skopeo',
    version: 'containers/image 5.28 and newer: skopeo 1.14',
    select: selectAsContainers({ normalizes: false, prefersZstd: true }),
  },
  {
    id: 'skopeo-1.13',
    name: 'skopeo of old',
    version: 'containers/image before 5.28: skopeo 1.13',
    olderThan: 'skopeo',
    select: selectAsContainers({ normalizes: false, prefersZstd: false }),
  },
  {
    id: 'first-match',
    name: 'a first-match client',
    version: 'any that looks at os and architecture only',
    select: chooseFirstMatch,
  },
];

/** A client that takes the first entry for its os and architecture, and looks at nothing else. */
function chooseFirstMatch(
  { entries }: CandidateList,
  { platform: { os, architecture } }: RequestedPlatform,
): Selection {
  const tries = entries.filter(
    ({ descriptor: { platform } }) => platform?.os === os && platform.architecture === architecture,
  );
  const considered = { wants: [`${os}/${architecture}`], tries };
  const [best] = tries;
  if (best === undefined) return noSelection(considered);
  const because = best.entries === undefined ? unreadableReason(best) : 'it is an index, and no image';
  if (because !== undefined) return failedSelection(considered, best, because);
  return { ...considered, picked: best, why: 'first', reason: `the first for ${os}/${architecture}` };
}
