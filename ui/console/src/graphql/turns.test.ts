import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { inTurns, REST_MS } from './turns';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('never asks while an answer is under way, and once after it for all that was wanted meanwhile', async () => {
  const answers: (() => void)[] = [];
  const turns = inTurns(() => new Promise<void>((resolve) => answers.push(resolve)));
  turns.soon();
  turns.soon();
  turns.soon();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(answers).toHaveLength(1);
  answers[0]!();
  await vi.advanceTimersByTimeAsync(REST_MS);
  expect(answers).toHaveLength(2);
  answers[1]!();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(answers).toHaveLength(2);
});

it('asks no more once it is stopped', async () => {
  let asked = 0;
  const turns = inTurns(async () => void asked++);
  turns.soon();
  turns.soon();
  turns.stop();
  turns.soon();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked).toBe(1);
});
