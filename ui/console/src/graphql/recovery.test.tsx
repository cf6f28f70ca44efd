import { act } from '@testing-library/react';
import { useState } from 'react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { renderPage } from '@/test-page';
import { useQuery } from 'urql';
import { ClusterHealthDocument } from './generated';
import { useReachable } from './reachable';
import { useRecovery } from './recovery';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Tenth by tenth, so that what was rendered counts from then on. */
async function seconds(count: number) {
  for (let tenth = 0; tenth < Math.round(count * 10); tenth++) await act(() => vi.advanceTimersByTimeAsync(100));
}

/** Something of `local` that fails, each time it is asked, until it is told not to. */
function failing() {
  let reachable = false;
  let asked = 0;
  let end = () => {};
  let readHealth = () => {};
  function Failing() {
    const [failure, fail] = useState<object | undefined>({});
    const [, ask] = useQuery({ query: ClusterHealthDocument });
    end = () => fail(undefined);
    readHealth = () => ask({ requestPolicy: 'network-only' });
    useRecovery(failure, useReachable('local'), () => {
      asked += 1;
      fail({});
    });
    return null;
  }
  renderPage(<Failing />, {
    answer: () => ({ data: { environments: { nodes: [{ id: 'l', name: 'local', reachable }] } } }),
  });
  return {
    count: () => asked,
    end: () => act(() => end()),
    heal: () => {
      reachable = true;
      act(() => readHealth());
    },
  };
}

it('asks again after 2, 4, 8 s, and no more once it went well', async () => {
  const { count, end } = failing();
  await seconds(1.9);
  expect(count()).toBe(0);
  await seconds(0.2);
  expect(count()).toBe(1);
  await seconds(3.8);
  expect(count()).toBe(1);
  await seconds(0.2);
  expect(count()).toBe(2);
  end();
  await seconds(60);
  expect(count()).toBe(2);
});

it('waits at most 30 s', async () => {
  const { count } = failing();
  await seconds(2 + 4 + 8 + 16 + 1);
  expect(count()).toBe(4);
  await seconds(60);
  expect(count()).toBe(6);
});

it('asks at once when the cluster answers again', async () => {
  const { count, heal } = failing();
  await seconds(1);
  heal();
  expect(count()).toBe(1);
});
