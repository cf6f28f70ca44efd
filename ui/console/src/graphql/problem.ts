// An error as pages show it: code, message, hint and the request's id.
import type { GraphQLError } from 'graphql';
import type { CombinedError } from 'urql';
import type { RefusedFragment } from './generated';

export type Problem = { code: string; message: string; hint?: string; requestId?: string; path?: string[] };

type Told = Pick<GraphQLError, 'message'> & Partial<Pick<GraphQLError, 'extensions'>>;
type Extensions = { code?: string; hint?: string; requestId?: string };
type Payload = { errors: RefusedFragment[] };
const AWAY: Problem = {
  code: 'CONNECTION_LOST',
  message: 'Merlin does not answer.',
  hint: 'It may be restarting; this page tries again by itself.',
};

/** What urql says of a mutation that has ended. */
type Ended = { data?: unknown; error?: CombinedError; extensions?: Record<string, unknown> };

/** Why a mutation was refused; none when it was done. `lost` is what to do when there was no answer. */
export function problemsOf({ data, error, extensions }: Ended, lost: string): Problem[] {
  if (error) {
    const problem = problemOf(error);
    if (problem.code === 'CONNECTION_LOST') return [{ ...problem, hint: lost }];
    if (problem.code === 'UNAUTHENTICATED') return [{ ...problem, hint: 'Sign in, then try again: nothing was done.' }];
    return [problem];
  }
  const requestId = (extensions as Extensions | undefined)?.requestId;
  return (payloadOf(data)?.errors ?? []).map(({ code, message, hint, path }) => ({
    code,
    message,
    path,
    hint: hint ?? undefined,
    requestId,
  }));
}

/** What the one field of a mutation answered. */
export function payloadOf(data: unknown): Payload | undefined {
  return data ? (Object.values(data)[0] as Payload) : undefined;
}

export function problemOf(error: CombinedError): Problem {
  const first = error.graphQLErrors[0];
  const response = error.response as Response | undefined;
  const requestId = response?.headers?.get?.('x-request-id') ?? undefined;
  if (first) return problemIn(first, requestId);
  if (response?.status === 401)
    return { code: 'UNAUTHENTICATED', message: 'The session has ended.', hint: 'Sign in again.', requestId };
  if (response) return { code: `HTTP_${response.status}`, message: 'Merlin gave no good answer.', requestId };
  return AWAY;
}

/** Why an operation of the WebSocket failed: its `errors`, or what graphql-ws gives to `error`. */
export function problemOfSocket(reason: unknown, { requestId }: Extensions = {}): Problem {
  const first: unknown = Array.isArray(reason) ? reason[0] : undefined;
  return first ? problemIn(first as Told, requestId) : { ...AWAY };
}

function problemIn({ message, extensions = {} }: Told, requestId?: string): Problem {
  const { code = 'ERROR', hint } = extensions as Extensions;
  return { code, message, hint, requestId: (extensions as Extensions).requestId ?? requestId };
}

const PASSING = new Set(['CLUSTER_UNREACHABLE', 'UNAVAILABLE', 'TIMEOUT', 'CONNECTION_LOST']);

/** Whether the same may be answered a moment later. */
export const mayPass = ({ code }: Problem): boolean => PASSING.has(code) || code.startsWith('HTTP_5');
