// One act of a user: a mutation, whether it is under way, and why it was refused.
import { useCallback, useEffect, useRef, useState } from 'react';
import { useMutation } from 'urql';
import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { notify, notifyOfRefusal } from '@/shell/notices';
import { reread } from './feed';
import { payloadOf, problemsOf, type Problem } from './problem';

// With both its answers lost an act was done or not; the same act later is another one, with a key of its own.
const LOST = 'Nothing was changed, or you will see it here once the connection is back. Try again then.';

const sentence = ({ message, hint }: Problem, what: string | undefined) =>
  [what && `${what}:`, message, hint !== undefined && !message.includes(hint) && hint].filter(Boolean).join(' ');

type InputOf<Variables> = Variables extends { input: infer Input } ? Input : never;
type PayloadOf<Data> = Data[keyof Data] extends infer P ? Exclude<P, string | undefined> : never;

export type Act<Input, Answer> = {
  /**
   * The payload when it was done, or undefined; then `problems` say why, or a notice about `what` if the page is gone.
   * Pages are read anew when somebody else was first, so that the next try is made for what is there.
   */
  act: (input: Input, done?: string, what?: string) => Promise<Answer | undefined>;
  busy: boolean;
  problems: Problem[];
  /** The refusal of one field of the input, to be shown at it. */
  at: (...path: string[]) => string | undefined;
  forget: () => void;
};

/** `done` is told in a corner of the page. A repeated call after a lost answer is the same act (idempotency key). */
export function useAct<Data, Variables extends { input: { idempotencyKey?: string | null } }>(
  document: TypedDocumentNode<Data, Variables>,
): Act<InputOf<Variables>, PayloadOf<Data>> {
  const [, run] = useMutation(document);
  const [busy, setBusy] = useState(false);
  const [problems, setProblems] = useState<Problem[]>([]);
  const isHere = useRef(true);
  useEffect(() => {
    isHere.current = true;
    return () => void (isHere.current = false);
  }, []);

  const act = useCallback(
    async (input: InputOf<Variables>, done?: string, what?: string) => {
      setBusy(true);
      setProblems([]);
      const variables = { input: { idempotencyKey: crypto.randomUUID(), ...(input as object) } };
      try {
        let answer = await run(variables as unknown as Variables);
        // The request or its answer was lost: once more, with the same key.
        if (answer.error?.networkError && !answer.error.response) answer = await run(variables as unknown as Variables);
        const payload = payloadOf(answer.data);
        const found = problemsOf(answer, LOST);
        setProblems(found);
        if (found.some(({ code }) => code === 'CONFLICT')) reread();
        if (!isHere.current) for (const each of found) notifyOfRefusal(sentence(each, what));
        if (found.length > 0 || payload === undefined) return undefined;
        if (done) notify(done);
        return payload as unknown as PayloadOf<Data>;
      } finally {
        setBusy(false);
      }
    },
    [run],
  );
  const at = useCallback(
    (...path: string[]) => problems.find((problem) => problem.path?.join('.') === path.join('.'))?.message,
    [problems],
  );
  const forget = useCallback(() => setProblems([]), []);
  return { act, busy, problems, at, forget };
}
