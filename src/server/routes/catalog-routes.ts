import { allows } from '../auth/rights.ts';
import { unknownName } from '../request-error.ts';
import { nextPage, parseLimit } from './paging.ts';
import { reply, replyJson, type ServerExchange } from '../server-exchange.ts';

/** The maximum number of repositories on a page, even if the client requests more. */
const MAX_PAGE = 1000;

/** The number of repositories that are looked up concurrently. */
const BATCH = 50;

/** Compares names component by component, as the registry of the distribution project does: `a/b` precedes `a-b`. */
function order(one: string, other: string): number {
  const [left = '', right = ''] = [one, other].map((name) => name.replaceAll('/', '\0'));
  return left < right ? -1 : Number(left > right);
}

/**
 * GET of `/v2/_catalog`, as in other registries: lists the repositories that the caller may read, sorted by `order`.
 * Repositories without tags are included.
 */
export async function listCatalog(exchange: ServerExchange): Promise<void> {
  const { service, caller, query } = exchange;
  const limit = Math.min(parseLimit(query.get('n')) ?? MAX_PAGE, MAX_PAGE);
  const last = query.get('last') ?? '';
  const all = await service.repositories.names();
  const names = all.filter((name) => order(name, last) > 0 && allows(caller.rights, 'read', name)).sort(order);
  const { page, isLast } = await existing(exchange, names, limit);
  const end = page.at(-1);
  replyJson(
    exchange,
    { repositories: page },
    isLast || end === undefined ? {} : { link: nextPage('/v2/_catalog', limit, end) },
  );
}

interface Page {
  readonly page: readonly string[];
  readonly isLast: boolean;
}

/**
 * Returns the first `limit` names whose repositories exist. Skips damaged repositories, and folders that are not
 * layouts.
 */
async function existing({ service }: ServerExchange, names: readonly string[], limit: number): Promise<Page> {
  const found: string[] = [];
  for (let at = 0; at < names.length && found.length <= limit; at += BATCH) {
    const batch = names.slice(at, at + BATCH);
    const repositories = await Promise.all(batch.map((name) => service.repositories.find(name).catch(() => undefined)));
    found.push(...batch.filter((_, index) => repositories[index] !== undefined));
  }
  return { page: found.slice(0, limit), isLast: found.length <= limit };
}

/**
 * DELETE of `/v2/<name>/_mlist/repository`: removes a repository with its content and its unfinished uploads. It is an
 * extension of this registry (distribution-spec v1.1.1 "Extensions").
 */
export async function deleteRepository(exchange: ServerExchange): Promise<void> {
  const { service, name } = exchange;
  await service.changes.exclusive(name, async () => {
    await service.uploads.endAll(name);
    if (!(await service.repositories.remove(name))) throw unknownName(name);
  });
  reply(exchange, 202);
}
