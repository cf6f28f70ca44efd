// A revision's way from the wish to the traffic, told by its moments.
import type { RevisionLineFragment } from '@/graphql/generated';

export type Step = {
  name: string;
  state: 'done' | 'now' | 'ahead' | 'failed' | 'ended';
  /** Since the step before. */
  tookMs?: number;
};

type Moments = Pick<RevisionLineFragment, 'status' | 'createdAt' | 'appliedAt' | 'readyAt' | 'activeAt' | 'finishedAt'>;

/** Requested, applied, ready, active: the first that is missing is under way, or is where it ended. */
export function stepsOf(revision: Moments): Step[] {
  const moments: [string, string | null][] = [
    ['Requested', revision.createdAt],
    ['Applied', revision.appliedAt],
    ['Pods ready', revision.readyAt],
    ['Active', revision.activeAt],
  ];
  const over = revision.status === 'FAILED' ? 'failed' : revision.finishedAt ? 'ended' : undefined;
  let before: number | undefined;
  let isOpen = false;
  return moments.map(([name, at]) => {
    if (at === null) {
      const state = isOpen ? (over ? 'ended' : 'ahead') : (over ?? 'now');
      const ended = !isOpen && over && revision.finishedAt ? Date.parse(revision.finishedAt) : undefined;
      isOpen = true;
      const tookMs = ended !== undefined && before !== undefined ? ended - before : undefined;
      return { name, state, tookMs };
    }
    const now = Date.parse(at);
    const tookMs = before === undefined ? undefined : Math.max(0, now - before);
    before = now;
    return { name, state: 'done', tookMs };
  });
}
