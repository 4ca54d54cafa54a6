import { isIndexType } from '../oci/media-type.ts';
import { ranker } from '../oci/platform/matching.ts';
import type { Selection, Client } from './selection.ts';
import { clients } from './clients.ts';
import { effectivePlatform, hostPlatform, type RequestedPlatform, type CandidateList } from './candidates.ts';

/** The selection of one client, and whether the host can run the selected image. */
export interface ClientChoice extends Selection {
  readonly client: Client;
  /** Whether a host of the requested platform can run the selected image; false if no image is selected. */
  readonly fits: boolean;
}

/** How the selections of the clients differ. */
export type Verdict =
  /** All clients select the same image, and the host can run it. */
  | 'same'
  /** Clients select different images, all of which the host can run. */
  | 'different'
  /** Some clients select an image that the host can run. The others select none, or one that the host cannot run. */
  | 'broken'
  /** No client selects an image that the host can run. */
  | 'nothing';

export interface Comparison {
  readonly choices: readonly ClientChoice[];
  readonly verdict: Verdict;
}

/**
 * Returns the selections of all clients and how they differ. An older version of a client is included only if its
 * selection differs from the selection of the newer version.
 */
export function compareClients(list: CandidateList, requested: RequestedPlatform): Comparison {
  const all = clients.map((client) => choiceOf(client, list, requested));
  const choices = all.filter(
    (choice) => !all.some((other) => other.client.id === choice.client.olderThan && isSameSelection(choice, other)),
  );
  return { choices, verdict: verdictOf(choices) };
}

function choiceOf(client: Client, list: CandidateList, requested: RequestedPlatform): ClientChoice {
  const selection = isIndexType(list.mediaType) ? client.select(list, requested) : selectSingleImage(list);
  const { selected: image } = selection;
  const platform = image && effectivePlatform(image);
  // If the platform of an image is unknown, the host is assumed to be able to run it.
  const fits =
    image !== undefined && (platform === undefined || ranker(hostPlatform(requested))(platform) !== undefined);
  return { ...selection, client, fits };
}

/** Returns the selection for a single image. All clients pull it regardless of its platform, some with a warning. */
function selectSingleImage({ entries }: CandidateList): Selection {
  const [image] = entries;
  const reason = 'not a list: clients pull the image regardless of its platform';
  return { wants: [], tries: entries, why: 'only', reason, ...(image === undefined ? {} : { selected: image }) };
}

function isSameSelection(left: Selection, right: Selection): boolean {
  return left.selected?.descriptor.digest === right.selected?.descriptor.digest && left.why === right.why;
}

function verdictOf(choices: readonly ClientChoice[]): Verdict {
  const runnable = choices.filter(({ fits }) => fits);
  if (runnable.length === 0) return 'nothing';
  if (runnable.length < choices.length) return 'broken';
  return new Set(runnable.map(({ selected }) => selected?.descriptor.digest)).size === 1 ? 'same' : 'different';
}
