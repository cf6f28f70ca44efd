import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { isGone, isWaiting, wanted } from './chunks';

const GONE = new TypeError('Failed to fetch dynamically imported module: http://localhost/assets/x.js');
const answer = vi.fn<() => Promise<Response>>();
const load = vi.fn<() => Promise<string>>();

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('fetch', answer);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  answer.mockReset();
  load.mockReset();
});

it('waits for a part as long as the server is away, and loads it then', async () => {
  load.mockRejectedValueOnce(GONE).mockResolvedValue('part');
  answer.mockRejectedValue(new TypeError('Failed to fetch'));
  const part = wanted(load);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(load).toHaveBeenCalledTimes(1);
  expect(isWaiting()).toBe(true);
  answer.mockResolvedValue(new Response('ok'));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await part).toBe('part');
  expect(isWaiting()).toBe(false);
});

it('gives up on what a running server does not have', async () => {
  load.mockRejectedValue(GONE);
  answer.mockResolvedValue(new Response('ok'));
  await expect(wanted(load)).rejects.toSatisfy(isGone);
  expect(load).toHaveBeenCalledTimes(2);
});

it('waits on when the server goes away again meanwhile', async () => {
  load.mockRejectedValueOnce(GONE).mockRejectedValueOnce(GONE).mockResolvedValue('part');
  answer.mockResolvedValueOnce(new Response('ok')).mockRejectedValueOnce(new TypeError('Failed to fetch'));
  answer.mockResolvedValue(new Response('ok'));
  expect(await wanted(load)).toBe('part');
});

it('leaves other errors alone', async () => {
  load.mockRejectedValue(new Error('a mistake in the part'));
  await expect(wanted(load)).rejects.toThrow('a mistake in the part');
  expect(answer).not.toHaveBeenCalled();
});
