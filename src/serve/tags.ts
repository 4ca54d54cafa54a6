import { isTag } from '../oci/reference.ts';
import { replyJson, type Exchange } from './exchange.ts';
import { Refusal, unknownName } from './refusal.ts';

/** GET of `/v2/<name>/tags/list` (distribution-spec v1.1.1 "Listing Tags"), in the order of their characters. */
export async function listTags(exchange: Exchange): Promise<void> {
  const { service, name, query } = exchange;
  const repository = await service.repositories.find(name);
  if (repository === undefined) throw unknownName(name);
  const limit = limitOf(query.get('n'));
  const last = query.get('last') ?? '';
  const all: string[] = [];
  for await (const tag of repository.tags()) if (isTag(tag) && tag > last) all.push(tag);
  const tags = all.sort().slice(0, limit);
  const end = tags.at(-1);
  const isMore = end !== undefined && tags.length < all.length;
  replyJson(exchange, { name, tags }, isMore ? { link: nextLink(name, limit, end) } : {});
}

function nextLink(name: string, limit: number | undefined, last: string): string {
  const query = new URLSearchParams({ n: String(limit), last });
  return `</v2/${name}/tags/list?${query.toString()}>; rel="next"`;
}

function limitOf(text: string | null): number | undefined {
  if (text === null) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new Refusal(400, { code: 'PAGINATION_NUMBER_INVALID', message: 'n is no number', detail: text });
}
