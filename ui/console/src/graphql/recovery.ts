// What failed for a while is asked again by itself.
import { useEffect, useRef } from 'react';

const FIRST_MS = 2_000;
const LONGEST_MS = 30_000;

/**
 * Asks again after a pause that doubles, up to 30 s, and at once when the cluster is `reachable` again.
 * `failure` is another object with each failure, and undefined while there is none that may pass.
 */
export function useRecovery(failure: object | undefined, reachable: boolean, again: () => void): void {
  const latest = useRef({ failure, again });
  latest.current = { failure, again };
  const failures = useRef(0);
  useEffect(() => {
    if (!failure) return void (failures.current = 0);
    const pause = Math.min(LONGEST_MS, FIRST_MS * 2 ** failures.current++);
    const timer = setTimeout(() => latest.current.again(), pause);
    return () => clearTimeout(timer);
  }, [failure]);
  const before = useRef(reachable);
  useEffect(() => {
    if (reachable && !before.current && latest.current.failure) latest.current.again();
    before.current = reachable;
  }, [reachable]);
}
