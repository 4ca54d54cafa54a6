import { describe, expect, test } from '@jest/globals';
import { isLong } from '../../support/long.ts';
import { explore, makeBase, makeRunner, type Explored, type Model, type Visit } from '../../support/join-model.ts';

/**
 * Every order in which runners can read and write, with what can go wrong on the way, tried with the program's own
 * decisions (docs/join.md "Why it is safe").
 */
const [amd64, arm64, riscv64] = ['linux/amd64', 'linux/arm64', 'linux/riscv64'] as const;
const two = [amd64, arm64];
const three = [amd64, arm64, riscv64];

/** The images in a list, as `build platform`. */
function imagesOf({ list }: Pick<Visit, 'list'>, runners: Model['runners']): readonly string[] {
  const names = runners.flatMap(({ group, own }) =>
    own.flatMap(({ platform, entries }) => entries.map(({ digest }) => [digest, `${group.id} ${platform}`] as const)),
  );
  return (list?.draft.entries ?? []).map(({ digest }) => new Map<string, string>(names).get(digest) ?? digest);
}

const isOver = ({ outcomes }: Visit) => outcomes.every((outcome) => outcome !== undefined && outcome !== 'dead');

/** Explores; gives the lists that the tag had at any time, and those at the end of all. */
function tried(model: Model) {
  const ever = new Set<string>();
  const last = new Set<string>();
  const explored: Explored = explore(model, (visit) => {
    const images = imagesOf(visit, model.runners).join(', ');
    ever.add(images);
    if (isOver(visit)) last.add(images);
  });
  expect(explored.isAlwaysEndable).toBe(true);
  expect(explored.ends).toBeGreaterThan(0);
  return { ever: [...ever].sort(), last: [...last].sort(), states: explored.states };
}

const build = (id: string, platforms: readonly string[], expected?: readonly string[], retries?: number) =>
  platforms.map((platform) => makeRunner(id, [platform], expected, retries));
const listOf = (id: string, platforms: readonly string[]) => platforms.map((one) => `${id} ${one}`).join(', ');

describe('runners of one build, without --expect', () => {
  test.each<[string, Partial<Model>]>([
    ['nothing goes wrong', {}],
    ['answers are lost, and a runner is killed and started again', { lost: 2, deaths: 1 }],
    ['two deaths', { deaths: 2 }],
    ['a registry with conditions', { lost: 2, deaths: 1, hasConditions: true }],
    ['answers are lost, and pauses are long', { lost: 1, isTimely: true }],
  ])('two: %s: at the end both are in the list', (_name, more) => {
    const { last } = tried({ runners: build('1', two), platforms: two, ...more });
    expect(last).toEqual([listOf('1', two)]);
  });

  test('three: at the end all are in the list', () => {
    const { last, ever } = tried({ runners: build('1', three), platforms: three });
    expect(last).toEqual([listOf('1', three)]);
    expect(ever).toHaveLength(8);
  });

  test('what the tag has besides stays, at every moment', () => {
    const base = makeBase([makeRunner('0', [riscv64])]);
    const { last } = tried({ runners: build('1', two), platforms: two, base, lost: 1, deaths: 1 });
    const other = base.draft.entries[0]!.digest;
    expect(last).toEqual([`${listOf('1', two)}, ${other}`]);
    explore({ runners: build('1', two), platforms: two, base, deaths: 1 }, ({ list }) => {
      expect(list?.draft.entries.map(({ digest }) => digest)).toContain(other);
    });
  });

  test('killed for good, on a registry with conditions: whoever has ended is in the list', () => {
    const runners = build('1', two);
    explore({ runners, platforms: two, lost: 1, deaths: 1, forGood: true, hasConditions: true }, (visit) => {
      const images = imagesOf(visit, runners);
      visit.outcomes.forEach((outcome, at) => {
        if (outcome === 'complete') expect(images).toContain(`1 ${two[at]!}`);
      });
    });
  });
});

/** With --expect, whatever happens: no list or a whole one of one build. */
function expectWhole(model: Model, wholes: readonly string[]): ReturnType<typeof tried> {
  const result = tried(model);
  expect(wholes).toEqual(expect.arrayContaining(result.ever.filter((images) => images !== '')));
  return result;
}

describe('runners of one build, with --expect', () => {
  const hazards: readonly (readonly [string, Partial<Model>])[] = [
    ['nothing goes wrong', {}],
    ['answers are lost, and a runner is killed and started again', { lost: 1, deaths: 1 }],
    ['a registry with conditions', { lost: 1, deaths: 1, hasConditions: true }],
    ['runners wait for each other', { lost: 1, waits: true }],
  ];
  test.each(hazards)('two: %s: the tag is there once, whole, and stays', (_name, more) => {
    const model: Model = { runners: build('1', two, two), platforms: two, ...more };
    const { last } = expectWhole(model, [listOf('1', two)]);
    expect(last).toEqual([listOf('1', two)]);
    explore(
      model,
      () => undefined,
      (from, to) => {
        if (from.list !== undefined) expect(to.list?.digest).toBe(from.list.digest);
      },
    );
  });

  test('two: writes that happen at any later time', () => {
    expectWhole({ runners: build('1', two, two), platforms: two, late: 2, lost: 1 }, [listOf('1', two)]);
  });

  test('three: the tag is there once, whole, and stays', () => {
    const { last } = expectWhole({ runners: build('1', three, three), platforms: three }, [listOf('1', three)]);
    expect(last).toEqual([listOf('1', three)]);
  });

  test('in the order that is expected', () => {
    const order = [arm64, amd64];
    expect(tried({ runners: build('1', two, order), platforms: two }).last).toEqual([listOf('1', order)]);
  });

  test('one is killed for good: no list, or the whole', () => {
    const model: Model = { runners: build('1', two, two), platforms: two, deaths: 1, forGood: true };
    expectWhole(model, [listOf('1', two)]);
  });
});

describe('a second build while the first still runs', () => {
  const wholes = ['1', '2'].map((id) => listOf(id, two));
  /** All of a build in one runner. */
  const pairs = (expected?: readonly string[]) => [makeRunner('1', two, expected), makeRunner('2', two, expected)];

  test.each<[string, Partial<Model>]>([
    ['two runners', {}],
    ['two runners, answers lost, one killed', { lost: 1, deaths: 1 }],
    ['two runners, writes that happen at any later time', { late: 1 }],
    ['two runners, conditions', { lost: 1, hasConditions: true }],
  ])(
    'with --expect, %s: never mixed',
    (_name, more) => void expectWhole({ runners: pairs(two), platforms: two, ...more }, wholes),
  );

  if (isLong) {
    test('with --expect, three runners: never mixed', () => {
      const runners = [...build('1', two, two), makeRunner('2', two, two)];
      expectWhole({ runners, platforms: two, isTimely: true }, wholes);
    });
  }

  test.each<[string, Partial<Model>]>([
    ['the pause is longer than the time from a look to its write', { isTimely: true }],
    ['a registry with conditions', { hasConditions: true }],
  ])('at the end the tag is that of the second, where %s', (_name, more) => {
    for (const expected of [two, undefined]) {
      const { last } = tried({ runners: pairs(expected), platforms: two, ...more });
      expect(last).toEqual([listOf('2', two)]);
    }
  });
});

describe('a registry that shows what a tag had before its last write', () => {
  test('without --expect: at the end both are in the list', () => {
    const { last } = tried({ runners: build('1', two), platforms: two, stale: 1, lost: 1 });
    expect(last).toEqual([listOf('1', two)]);
  });

  test.each<[string, Partial<Model>]>([
    ['the list', { stale: 3, lost: 1 }],
    ['the list, on a registry with conditions', { stale: 3, lost: 1, hasConditions: true }],
    ['the list, and runners wait for each other', { stale: 3, waits: true }],
  ])('with --expect: %s: the tag is there once, whole, and stays', (_name, more) => {
    const { last } = expectWhole({ runners: build('1', two, two), platforms: two, ...more }, [listOf('1', two)]);
    expect(last).toEqual([listOf('1', two)]);
  });

  test('with --expect: slots, too: no list, or the whole', () => {
    const model: Model = { runners: build('1', two, two), platforms: two, stale: 3, staleSlots: true, lost: 1 };
    expectWhole(model, [listOf('1', two)]);
  });

  test('with --expect, two builds: never mixed', () => {
    const runners = [makeRunner('1', two, two), makeRunner('2', two, two)];
    const wholes = ['1', '2'].map((id) => listOf(id, two));
    expectWhole({ runners, platforms: two, stale: 2, staleSlots: true }, wholes);
  });
});

describe('a registry that fails writes more often than --retries allows', () => {
  test.each<[string, number, Partial<Model>]>([
    ['no further attempts', 0, { lost: 2 }],
    ['one further attempt', 1, { lost: 3 }],
    ['one further attempt, on a registry with conditions', 1, { lost: 3, hasConditions: true }],
  ])('with --expect, %s: no list, or the whole; whoever says that it is complete is right', (_name, retries, more) => {
    const runners = build('1', two, two, retries);
    const outcomes = new Set<string>();
    expectWhole({ runners, platforms: two, ...more }, [listOf('1', two)]);
    explore({ runners, platforms: two, ...more }, (visit) => {
      for (const outcome of visit.outcomes) outcomes.add(outcome ?? 'at work');
      if (visit.outcomes.includes('complete')) expect(imagesOf(visit, runners)).toHaveLength(2);
    });
    expect(outcomes).toContain('failed');
  });

  test('without --expect, on a registry with conditions: whoever has ended well is in the list', () => {
    const runners = build('1', two, undefined, 0);
    explore({ runners, platforms: two, lost: 2, hasConditions: true }, (visit) => {
      const images = imagesOf(visit, runners);
      visit.outcomes.forEach((outcome, at) => {
        if (outcome === 'complete') expect(images).toContain(`1 ${two[at]!}`);
      });
    });
  });
});
