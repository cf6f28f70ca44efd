import { describe, expect, it } from 'vitest';
import { stepsOf } from './steps';

const at = (second: number) => new Date(Date.UTC(2026, 10, 24, 20, 0, second)).toISOString();
const nothing = { appliedAt: null, readyAt: null, activeAt: null, finishedAt: null };

describe('steps of a rollout', () => {
  it('show what is under way and how long the steps before took', () => {
    const steps = stepsOf({ ...nothing, status: 'STARTING', createdAt: at(0), appliedAt: at(2) });
    expect(steps.map(({ state }) => state)).toEqual(['done', 'done', 'now', 'ahead']);
    expect(steps[1]?.tookMs).toBe(2_000);
  });

  it('show where it failed, and after how long', () => {
    const steps = stepsOf({ ...nothing, status: 'FAILED', createdAt: at(0), appliedAt: at(1), finishedAt: at(6) });
    expect(steps.map(({ state }) => state)).toEqual(['done', 'done', 'failed', 'ended']);
    expect(steps[2]?.tookMs).toBe(5_000);
  });

  it('show that it was cancelled before it was applied', () => {
    const steps = stepsOf({ ...nothing, status: 'CANCELLED', createdAt: at(0), finishedAt: at(1) });
    expect(steps.map(({ state }) => state)).toEqual(['done', 'ended', 'ended', 'ended']);
  });

  it('are all done for one that was drained since', () => {
    const all = { appliedAt: at(1), readyAt: at(2), activeAt: at(3), finishedAt: at(9) };
    const steps = stepsOf({ ...all, status: 'REMOVED', createdAt: at(0) });
    expect(steps.every(({ state }) => state === 'done')).toBe(true);
  });
});
