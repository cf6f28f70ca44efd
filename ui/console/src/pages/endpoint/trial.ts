// What is being tried at an endpoint: the request as it is written, and its answer. Its tab comes and goes; this stays
// as long as the endpoint's page.
import { useState } from 'react';
import { useAsk } from '@/graphql/ask';
import { TryVersionEndpointDocument } from '@/graphql/generated';
import { fieldsOf, firstRow, parse } from './request';

const NOTHING = { inputs: [{ name: 'input-0', shape: [1, 1], datatype: 'FP64', data: [0] }] };

export type Trial = ReturnType<typeof useTrial>;

export function useTrial(example: unknown) {
  const [text, setText] = useState(() => JSON.stringify(firstRow(example ?? NOTHING), null, 2));
  const [hadForm] = useState(() => hasForm(text));
  const [as, setAs] = useState<'form' | 'json'>(hadForm ? 'form' : 'json');
  // As it was typed, by field: "1." and "-" are on their way to a number, and "5.10" stays "5.10".
  const [typed, setTyped] = useState<Record<string, string>>({});
  const sent = useAsk(TryVersionEndpointDocument);
  return { text, setText, hadForm, as, setAs, typed, setTyped, sent };
}

function hasForm(text: string): boolean {
  const parsed = parse(text);
  return 'request' in parsed && fieldsOf(firstRow(parsed.request)).length > 0;
}
