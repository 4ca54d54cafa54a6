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
  /** All clients select the same image. */
  | 'same'
  /** Clients select different images, all of which the host can run. */
  | 'different'
  /** Some clients select an image that the host can run. The others select no image, or one that it cannot run. */
  | 'broken'
  /** No client selects an image that the host can run. */
  | 'nothing';

export interface Comparison {
  readonly choices: readonly ClientChoice[];
  readonly verdict: Verdict;
}

/**
 * Compares the selections of all clients. An older version of a client is included only if its selection differs from
 * that of the newer version.
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
  // An image whose platform is unknown is assumed to run.
  const fits =
    image !== undefined && (platform === undefined || ranker(hostPlatform(requested))(platform) !== undefined);
  return { ...selection, client, fits };
}

/** The selection from a single image: all clients pull it whatever its platform is, some with a warning. */
function selectSingleImage({ entries }: CandidateList): Selection {
  const [image] = entries;
  const reason = 'not a list: the image is pulled whatever its platform is';
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
