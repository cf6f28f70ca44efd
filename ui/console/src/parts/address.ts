// State that belongs in the address: filters, order, page. A link to it shows the same, and Back undoes it.
import { useCallback, useMemo } from 'react';
import { useSearchParams } from 'react-router';

export type Changes = Record<string, string | string[] | null | undefined>;

export type AddressState = {
  one: (key: string) => string | null;
  all: (key: string) => string[];
  /** Empty values leave the address. `replace` for what is typed: Back goes to the page before, not to each letter. */
  set: (changes: Changes, options?: { replace?: boolean }) => void;
};

export function useAddress(): AddressState {
  const [params, setParams] = useSearchParams();
  const set = useCallback(
    (changes: Changes, { replace = false } = {}) =>
      setParams(
        (now) => {
          const next = new URLSearchParams(now);
          for (const [key, value] of Object.entries(changes)) {
            next.delete(key);
            for (const each of Array.isArray(value) ? value : [value]) if (each) next.append(key, each);
          }
          return next;
        },
        // At once: a switch or field that shows what the address says would else jump back for a moment.
        { replace, preventScrollReset: true, flushSync: true },
      ),
    [setParams],
  );
  return useMemo(() => ({ one: (key) => params.get(key), all: (key) => params.getAll(key), set }), [params, set]);
}

/** Where a list stands: GraphQL's arguments, and how to go on. A change of filters begins anew: give `from: null` with it. */
export function usePaging(size: number) {
  const { one, set } = useAddress();
  const after = one('after');
  const before = one('before');
  const place = useMemo(
    () =>
      before === null
        ? { first: size, after, last: null, before: null }
        : { first: null, after: null, last: size, before },
    [after, before, size],
  );
  return {
    place,
    atStart: after === null && before === null,
    toStart: () => set({ after: null, before: null }),
    toNext: (cursor: string | null) => set({ after: cursor, before: null }),
    toPrevious: (cursor: string | null) => set({ after: null, before: cursor }),
  };
}

export const START: Changes = { after: null, before: null };
