// A mutation that changes nothing (a trial, a plan): it has no idempotency key, and only its newest answer counts.
import { useCallback, useRef, useState } from 'react';
import { useClient } from 'urql';
import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { payloadOf, problemsOf, type Problem } from './problem';

const LOST = 'Nothing was changed. Try again once the connection is back.';

type InputOf<Variables> = Variables extends { input: infer Input } ? Input : never;
type PayloadOf<Data> = Data[keyof Data] extends infer P ? Exclude<P, string | undefined> : never;

export type Ask<Input, Answer> = {
  ask: (input: Input) => Promise<void>;
  /** The newest payload without errors; kept while the next is under way. */
  answer: Answer | undefined;
  busy: boolean;
  problems: Problem[];
  at: (...path: string[]) => string | undefined;
  /** What was answered, or is still to be, is of something else. */
  forget: () => void;
};

export function useAsk<Data, Variables extends { input: object }>(
  document: TypedDocumentNode<Data, Variables>,
): Ask<InputOf<Variables>, PayloadOf<Data>> {
  const client = useClient();
  const newest = useRef(0);
  const [state, setState] = useState<{ answer?: PayloadOf<Data>; busy: boolean; problems: Problem[] }>({
    busy: false,
    problems: [],
  });
  const ask = useCallback(
    async (input: InputOf<Variables>) => {
      const mine = (newest.current += 1);
      setState((now) => ({ ...now, busy: true }));
      const ended = await client.mutation(document, { input } as unknown as Variables).toPromise();
      if (mine !== newest.current) return;
      const payload = payloadOf(ended.data);
      const problems = problemsOf(ended, LOST);
      const answer = problems.length === 0 && payload ? (payload as unknown as PayloadOf<Data>) : undefined;
      setState({ answer, busy: false, problems });
    },
    [client, document],
  );
  const { problems } = state;
  const at = useCallback(
    (...path: string[]) => problems.find((problem) => problem.path?.join('.') === path.join('.'))?.message,
    [problems],
  );
  const forget = useCallback(() => {
    newest.current += 1;
    setState({ busy: false, problems: [] });
  }, []);
  return { ask, at, forget, problems, busy: state.busy, answer: state.answer };
}
