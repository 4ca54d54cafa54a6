import { isIndexType } from '../oci/media-type.ts';
import { ranker } from '../oci/platform/matching.ts';
import type { Selection, Client } from './selection.ts';
import { clients } from './clients.ts';
import { effectivePlatform, hostPlatform, type RequestedPlatform, type CandidateList } from './candidates.ts';

/** What one client does, and whether that is of use. */
export interface ClientChoice extends Selection {
  readonly client: Client;
  /** Whether a machine of the platform runs what the client ends with; false where it ends with nothing. */
  readonly fits: boolean;
}

/** How far the clients go apart. */
export type Verdict =
  /** All of them end with the same image. */
  | 'same'
  /** With different images, and each fits the machine. */
  | 'different'
  /** Some get an image that fits, others get none, or one that the machine does not run. */
  | 'broken'
  /** Nobody gets an image that fits. */
  | 'nothing';

export interface Comparison {
  readonly asked: RequestedPlatform;
  readonly choices: readonly ClientChoice[];
  readonly verdict: Verdict;
}

/** What each client does with a list, and whether they agree. An old version has its say where it differs from the new. */
export function compareClients(list: CandidateList, asked: RequestedPlatform): Comparison {
  const all = clients.map((client) => choiceOf(client, list, asked));
  const choices = all.filter(
    (choice) => !all.some((other) => other.client.id === choice.client.olderThan && isSameEnd(choice, other)),
  );
  return { asked, choices, verdict: verdictOf(choices) };
}

function choiceOf(client: Client, list: CandidateList, asked: RequestedPlatform): ClientChoice {
  const choice = isIndexType(list.mediaType) ? client.select(list, asked) : chooseOnly(list);
  const platform = choice.picked && effectivePlatform(choice.picked);
  // What nobody knows the platform of is not called wrong.
  const fits =
    choice.picked !== undefined && (platform === undefined || ranker(hostPlatform(asked))(platform) !== undefined);
  return { ...choice, client, fits };
}

/** What is no list is taken by everybody; that it is for another platform is warned of at most. */
function chooseOnly({ entries }: CandidateList): Selection {
  const [picked] = entries;
  const reason = 'it is no list: the image is taken, whatever it is for';
  return { wants: [], tries: entries, why: 'only', reason, ...(picked === undefined ? {} : { picked }) };
}

function isSameEnd(one: Selection, other: Selection): boolean {
  return one.picked?.descriptor.digest === other.picked?.descriptor.digest && one.why === other.why;
}

function verdictOf(choices: readonly ClientChoice[]): Verdict {
  const good = choices.filter(({ fits }) => fits);
  if (good.length === 0) return 'nothing';
  if (good.length < choices.length) return 'broken';
  return new Set(good.map(({ picked }) => picked?.descriptor.digest)).size === 1 ? 'same' : 'different';
}
